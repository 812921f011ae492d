import { run } from '#test/harness/child.ts'

const program = async (command: string, args: readonly string[], input?: string): Promise<string> => {
  const { code, stdout, output } = await run({
    name: command,
    command,
    args,
    ...(input === undefined ? {} : { input }),
  })
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${output}`)
  return stdout
}

/** `ip` of this machine, or inside a network namespace. Throws with what it printed when it fails. */
export const ip = (args: readonly string[], namespace?: string): Promise<string> =>
  program('ip', [...inside(namespace), ...args])

/** Many `ip` commands in one process, one a line. */
export const ipBatch = async (commands: readonly string[], namespace?: string): Promise<void> => {
  await program('ip', [...inside(namespace), '-batch', '-'], `${commands.join('\n')}\n`)
}

/** Any program, inside a network namespace. */
export const inNamespace = (namespace: string, args: readonly string[], input?: string): Promise<string> =>
  program('nsenter', [`--net=/run/netns/${namespace}`, ...args], input)

export const listNamespaces = async (prefix: string): Promise<string[]> =>
  (await ip(['netns', 'list']))
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name.startsWith(prefix))

const inside = (namespace: string | undefined): string[] => (namespace === undefined ? [] : ['-n', namespace])
