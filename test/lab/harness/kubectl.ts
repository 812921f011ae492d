import { run } from '#test/harness/child.ts'

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  /** Both outputs. */
  readonly output: string
}

export interface KubectlOptions {
  readonly input?: string
  /** Give the result back instead of throwing when the exit code is not 0. */
  readonly allowFailure?: boolean
}

/** Runs the real kubectl with a kubeconfig. Throws with what it printed when it fails, unless allowed. */
export const runKubectl = async (
  program: string,
  kubeconfig: string,
  args: readonly string[],
  options: KubectlOptions = {},
): Promise<CommandResult> => {
  const result = await run({
    name: `kubectl ${args[0] ?? ''}`,
    command: program,
    args,
    env: { KUBECONFIG: kubeconfig },
    ...(options.input === undefined ? {} : { input: options.input }),
  })
  if (result.code !== 0 && !options.allowFailure)
    throw new Error(`kubectl ${args.join(' ')} ended with ${result.code}:\n${result.output}`)
  return result
}
