import { preparePrograms } from './harness/programs.ts'

/** Before the tests of the group: the first time this takes minutes, which is no test's to wait for. */
export const setup = async (): Promise<void> => {
  await preparePrograms((line) => process.stderr.write(`lab: ${line}\n`))
}
