import { run } from '#test/harness/child.ts'
import { listNamespaces } from './harness/ip.ts'
import { identifyProcess } from './harness/lab-process.ts'
import { removeNamespaces } from './harness/node.ts'

const prefix = 'atoll-test-'
let made = 0

/**
 * What the names of one thing's network namespaces begin with: nothing else of this machine has it. Removes what processes that are no more
 * have left of theirs.
 */
export const claimNamespacePrefix = async (): Promise<string> => {
  const owners = (await listNamespaces(prefix)).map((name) => Number.parseInt(name.slice(prefix.length), 10))
  for (const pid of new Set(owners)) if (identifyProcess(pid) === undefined) await removeNamespaces(`${prefix}${pid}-`)
  return `${prefix}${process.pid}-${++made}-`
}

/** Runs a script of `sh`, behind a command that enters where it is to run. Throws with what it printed when it fails. */
export const shell = async (script: string, enter: readonly string[] = []): Promise<void> => {
  const [command, ...args] = [...enter, 'sh', '-ec', script]
  const { code, output } = await run({ name: 'shell', command, args })
  if (code !== 0) throw new Error(`${script}\nended with ${code}:\n${output}`)
}
