import { prepareAgentImage } from './harness/agent-image.ts'
import { preparePrograms } from './harness/programs.ts'

/** Before the tests of the group: the first time this takes minutes, which is no test's to wait for. */
export const setup = async (): Promise<void> => {
  const tell = (line: string): boolean => process.stderr.write(`lab: ${line}\n`)
  await preparePrograms(tell)
  await prepareAgentImage(tell)
}
