import { randomUUID } from 'node:crypto'
import { setGlobalProxyFromEnv } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { text } from 'node:stream/consumers'
import { fetchPlane, probePlane } from './fetch-plane.ts'
import { connectKubernetes } from './kubernetes/kubernetes-transport.ts'
import { promptOnTerminal } from './prompt-on-terminal.ts'
import { exitCodes } from './exit-code.ts'
import { runCli } from './run-cli.ts'

// A reader that has seen enough (`atoll … | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok.code)
  throw error
})

// Planes elsewhere are reached over TLS; one on this machine needs no proxy.
const { HTTPS_PROXY, https_proxy = HTTPS_PROXY, NO_PROXY, no_proxy = NO_PROXY } = process.env
if (https_proxy !== undefined && https_proxy !== '') setGlobalProxyFromEnv({ https_proxy, no_proxy })

process.exitCode = await runCli(process.argv.slice(2), {
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  stdinIsTTY: process.stdin.isTTY,
  readStdin: () => text(process.stdin),
  prompt: promptOnTerminal,
  fetch: fetchPlane,
  probePlane,
  connectKubernetes,
  now: Date.now,
  sleep: (milliseconds) => sleep(milliseconds),
  random: Math.random,
  newId: randomUUID,
})
