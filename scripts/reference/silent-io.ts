import type { CliIo } from '#cli/cli-io.ts'

const unused = (): never => {
  throw new Error('a page of help asks for nothing')
}

/** A world in which the command line can be described, but not run. */
export const silentIo: CliIo = {
  env: { HOME: '/' },
  stdout: { write: () => true },
  stderr: { write: () => true },
  stdinIsTTY: false,
  readStdin: unused,
  prompt: unused,
  fetch: unused,
  probePlane: unused,
  connectKubernetes: unused,
  now: unused,
  sleep: unused,
  random: unused,
  newId: unused,
}
