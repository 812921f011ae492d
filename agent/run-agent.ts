import { AgentError, type AgentErrorCode } from './agent-error.ts'
import { systemClock } from './clock.ts'
import type { AgentConfig } from './config.ts'
import { openDataDirectory, type DataDirectory } from './data-directory.ts'
import { createAgentMetrics } from './http/agent-metrics.ts'
import { StatusServer } from './http/status-server.ts'
import { joinMesh } from './join/join-mesh.ts'
import { postJoin } from './join/post-join.ts'
import { JoinedAgent } from './joined-agent.ts'
import type { Log } from './log.ts'
import { openPlatform } from './platform/open-platform.ts'
import { readCa, toPlaneConnection } from './plane-connection.ts'
import { toForwardTarget } from './telemetry/forward/forward-target.ts'

const stopDeadlineMilliseconds = 15_000

/**
 * Runs an agent until `signal` aborts: joins when it has not, serves, and drains. Throws AgentError when it can't start or go on.
 */
export const runAgent = async (config: AgentConfig, log: Log, signal: AbortSignal): Promise<void> => {
  const clock = systemClock
  const random = Math.random
  let storeFailures = 0
  const reportStoreProblem = (problem: string): void => {
    storeFailures += 1
    log.error({ problem }, 'trouble with the data directory')
  }

  let agent: JoinedAgent | undefined
  const metrics = createAgentMetrics(() => ({
    compiledRevision: 0,
    proxies: 0,
    registrySynced: false,
    problems: 0,
    ...agent?.measure(),
    storeFailures,
    now: clock.now(),
  }))
  const status = new StatusServer({
    readiness: () => agent?.readiness() ?? { ready: false, reason: 'the agent is starting' },
    metrics: async () => toParts(await metrics.metrics(), agent?.standardMetrics() ?? []),
  })
  let data: DataDirectory | undefined
  try {
    const connection = toPlaneConnection(config, process.env)
    const issuersCa = config.jwks.caFile === undefined ? undefined : readCa(config.jwks.caFile)
    const modulesCa = config.wasm.caFile === undefined ? undefined : readCa(config.wasm.caFile)
    const forwards = config.telemetryForward.map((forward) => toForwardTarget(forward, process.env))
    await status.listen(config.httpAddress)
    data = await openDataDirectory(config.dataDirectory, config.sealingKeyFile, reportStoreProblem)
    const platform = await openPlatform({ registry: config.registry, data, clock, random, log })
    const record = await joinMesh({
      records: platform.records,
      tokenFile: config.joinTokenFile,
      post: (request) => postJoin(connection, request),
      clock,
      random,
      log,
      signal,
    })
    if (signal.aborted) return
    agent = await JoinedAgent.create({
      config,
      platform,
      record,
      data,
      connection,
      issuersCa,
      modulesCa,
      forwards,
      clock,
      random,
      log,
      reportStoreProblem,
    })
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
    await Promise.race([agent.start().then(() => stopped), stopped])
  } finally {
    await withDeadline(agent?.stop(), log)
    await status.close()
    data?.close()
  }
}

/** A part is made when the one before it has gone. */
function* toParts(own: string, standard: Iterable<string>): Generator<string> {
  yield own
  yield* standard
}

const withDeadline = async (work: Promise<void> | undefined, log: Log): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      log.warn('stopping takes too long; what is left is cut off')
      resolve()
    }, stopDeadlineMilliseconds)
  })
  await Promise.race([work, deadline])
  clearTimeout(timer)
}

const exitCodes: Readonly<Record<AgentErrorCode, number>> = {
  unreachable: 1,
  bad_config: 2,
  not_joined: 3,
  join_refused: 3,
  bad_join_answer: 3,
  store_unusable: 4,
  address_in_use: 5,
}

/** What the process ends with, by what went wrong. */
export const toExitCode = (error: unknown): number => (error instanceof AgentError ? exitCodes[error.code] : 1)
