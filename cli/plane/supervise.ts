import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { NewerDatabaseError } from './apply-migrations.ts'
import type { HostOrder, HostReport } from './host-protocol.ts'
import { hostReport } from './host-protocol.ts'

const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 30_000
/** A host that ran this long has earned a quick restart. */
const STABLE_MS = 60_000
/** A host that never was ready is not tried for ever: the port may be taken, the data unreadable. */
const MAX_FAILED_STARTS = 5
const STOP_GRACE_MS = 10_000

export interface SupervisorEvents {
  readonly report: (report: HostReport) => void
  readonly restarting: (reason: string, delayMs: number) => void
}

/**
 * Runs the host in a process of its own and starts it again when it ends, later each time. Resolves when `stop` is aborted and
 * the host has ended; rejects when it can't be started at all,
 * as NewerDatabaseError when this version can't serve the data. The host ends by itself when this process is gone.
 */
export const supervise = async (order: HostOrder, events: SupervisorEvents, stop: AbortSignal): Promise<void> => {
  let wasReady = false
  let delayMs = FIRST_DELAY_MS
  for (let failedStarts = 0; !stop.aborted;) {
    const startedAt = performance.now()
    const { ready, reason, newerData } = await runHost(order, events, stop)
    if (stop.aborted) return
    if (newerData) throw new NewerDatabaseError(reason)
    wasReady ||= ready
    failedStarts = ready ? 0 : failedStarts + 1
    if (!wasReady && failedStarts === MAX_FAILED_STARTS) throw new Error(reason)
    if (ready && performance.now() - startedAt > STABLE_MS) delayMs = FIRST_DELAY_MS
    events.restarting(reason, delayMs)
    await pause(delayMs, stop)
    delayMs = Math.min(MAX_DELAY_MS, delayMs * 2)
  }
}

/** One life of the host. */
const runHost = (
  order: HostOrder,
  { report }: SupervisorEvents,
  stop: AbortSignal,
): Promise<{ ready: boolean; reason: string; newerData: boolean }> =>
  new Promise((resolve) => {
    const [, script = ''] = process.argv
    // A group of its own: Ctrl-C on the terminal reaches the supervisor alone, which stops the host in order.
    const host = fork(script, ['plane', 'host'], { stdio: ['ignore', 2, 2, 'ipc'], detached: true })
    const end = () => stopHost(host)
    let ready = false
    let failure: string | undefined
    let newerData = false
    host.on('message', (message) => {
      const parsed = hostReport.parse(message)
      if (parsed.type === 'ready') ready = true
      if (parsed.type === 'failed') ({ reason: failure, newerData } = parsed)
      else report(parsed)
    })
    host.once('error', (error) => (failure = error.message))
    host.once('close', (code, signal) => {
      stop.removeEventListener('abort', end)
      killGroup(host)
      resolve({ ready, reason: failure ?? `it ended with ${code ?? signal}`, newerData })
    })
    stop.addEventListener('abort', end, { once: true })
    host.send(order)
    if (stop.aborted) end()
  })

/** The host's group ends with it: a runtime that outlived a killed host would still hold the port and the databases. */
const killGroup = ({ pid }: ChildProcess): void => {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // Nothing of it was left.
  }
}

const stopHost = (host: ChildProcess): void => {
  host.kill('SIGTERM')
  const timer = setTimeout(() => host.kill('SIGKILL'), STOP_GRACE_MS)
  host.once('close', () => clearTimeout(timer))
}

const pause = (milliseconds: number, stop: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds)
    function done() {
      clearTimeout(timer)
      stop.removeEventListener('abort', done)
      resolve()
    }
    stop.addEventListener('abort', done, { once: true })
  })
