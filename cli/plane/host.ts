import { Log, LogLevel, Miniflare } from 'miniflare'
import { z } from 'zod'
import { toErrorMessage } from '#mesh/error-message.ts'
import { findProgramFiles } from '../program-files.ts'
import { applyMigrations, NewerDatabaseError } from './apply-migrations.ts'
import { hostOrder } from './host-protocol.ts'
import type { HostOrder, HostReport } from './host-protocol.ts'
import { refuseBusyPort } from './refuse-busy-port.ts'
import { loadWorkerCode } from './worker-code.ts'
import { buildWorkerConfig, databaseConfig } from './worker-config.ts'

const START_LIMIT_MS = 60_000
const HEALTH_INTERVAL_MS = 5_000
const HEALTH_LIMIT_MS = 15_000
const MAX_UNHEALTHY = 3

const health = z.object({ status: z.literal('ok'), setUp: z.boolean() })

/**
 * The process that runs the worker: it takes its order from the supervisor's channel, and ends when the channel does, so that
 * a plane whose supervisor was killed is away as a whole.
 */
export const runHost = async (): Promise<never> => {
  const { channel } = process
  if (channel === undefined) throw new Error('This is started by "atoll plane serve"')
  const stopped = new Promise<void>((resolve) => {
    for (const event of ['disconnect', 'SIGTERM', 'SIGINT'] as const) process.once(event, () => resolve())
  })
  const ours = signalListeners()
  let runtime: Miniflare | undefined
  try {
    const order = await nextOrder()
    await refuseBusyPort(order)
    const files = findProgramFiles()
    const [code] = await Promise.all([loadWorkerCode(files), migrateDatabase(order, files.migrations)])
    runtime = startRuntime(order, code)
    const url = await untilReady(runtime)
    takeSignalsBack(ours)
    const { setUp } = await checkHealth(runtime)
    report({ type: 'ready', url, setUp })
    await Promise.race([stopped, untilUnhealthy(runtime, setUp)])
  } catch (error) {
    report({ type: 'failed', reason: toErrorMessage(error), newerData: error instanceof NewerDatabaseError })
    process.exitCode = 1
  }
  await runtime?.dispose()
  process.exit()
}

const nextOrder = (): Promise<HostOrder> =>
  new Promise((resolve, reject) => {
    process.once('message', (message) => resolve(hostOrder.parse(message)))
    process.once('disconnect', () => reject(new Error('the supervisor is gone')))
  })

const report = (message: HostReport): void => {
  if (process.connected) process.send?.(message)
}

const untilReady = async (runtime: Miniflare): Promise<string> => {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error('the runtime did not start in time')), START_LIMIT_MS).unref()
  })
  return String(await Promise.race([runtime.ready, late])).replace(/\/$/, '')
}

const toRuntimeOptions = ({ state }: HostOrder) => ({
  resourcePersistencePath: state,
  enableDevRegistry: false,
  telemetry: { enabled: false },
  cf: false as const,
  logRequests: false,
  log: new Log(LogLevel.WARN),
})

/** Brings the database up to date in a runtime of its own, which nobody can ask: the first request must find the tables. */
const migrateDatabase = async (order: HostOrder, migrations: string): Promise<void> => {
  const runtime = new Miniflare({ ...toRuntimeOptions(order), workers: [{ config: databaseConfig }] })
  try {
    await untilReady(runtime)
    await applyMigrations(await runtime.getD1Database('DB'), migrations)
  } finally {
    await runtime.dispose()
  }
}

const startRuntime = (order: HostOrder, code: string): Miniflare =>
  new Miniflare({
    ...toRuntimeOptions(order),
    host: order.host,
    port: order.port,
    ...(order.tls && { https: true, httpsCert: order.tls.certificates, httpsKey: order.tls.key }),
    // The worker logs one JSON text a line; it goes where the supervisor's own messages go.
    handleStructuredLogs: ({ message }) => void process.stderr.write(`${message}\n`),
    unsafeHandleRuntimeRestart: () => report({ type: 'runtime-restarted' }),
    workers: [{ config: buildWorkerConfig(order, code) }],
  })

/** Miniflare ends the process on a signal, before anything is in order: what it added to our own listeners goes. */
const takeSignalsBack = (ours: ReadonlyMap<NodeJS.Signals, readonly NodeJS.SignalsListener[]>): void => {
  for (const [signal, kept] of ours)
    for (const listener of process.listeners(signal)) if (!kept.includes(listener)) process.off(signal, listener)
}

const signalListeners = (): ReadonlyMap<NodeJS.Signals, readonly NodeJS.SignalsListener[]> =>
  new Map((['SIGTERM', 'SIGINT', 'SIGHUP'] as const).map((signal) => [signal, process.listeners(signal)]))

const checkHealth = async (runtime: Miniflare): Promise<z.infer<typeof health>> => {
  // Not over the network: its certificate need not be one that this process trusts.
  const response = await runtime.dispatchFetch('http://localhost/healthz', {
    signal: AbortSignal.timeout(HEALTH_LIMIT_MS),
  })
  if (!response.ok) throw new Error(`the worker answers ${response.status}: ${(await response.text()).slice(0, 500)}`)
  return health.parse(await response.json())
}

/**
 * Rejects when the worker has not answered several times in a row: the supervisor starts over. Tells it, too, when the plane has been
 * set up.
 */
const untilUnhealthy = async (runtime: Miniflare, wasSetUp: boolean): Promise<never> => {
  for (let failures = 0, known = wasSetUp; ;) {
    await new Promise((resolve) => setTimeout(resolve, HEALTH_INTERVAL_MS))
    try {
      const { setUp } = await checkHealth(runtime)
      if (setUp && !known) report({ type: 'set-up' })
      known = setUp
      failures = 0
    } catch (error) {
      failures++
      if (failures === MAX_UNHEALTHY) throw error
    }
  }
}
