import { fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { applyConfiguration } from '#api/routes/configuration.ts'
import { World } from '#test/harness/world.ts'
import { agentPid, connectOptions, makeTokens, signIn } from '../bench-mesh.ts'
import { readUsage } from '../process-usage.ts'
import { clientDocuments } from '../registry-files.ts'
import { toDistribution, type Distribution } from '../statistics.ts'
import type { AskCommand, AskRun } from './ask-client.ts'

const PROXIES = 20
const CONSUMERS = 1000
const FIRST_RATE = 1000
const WARM_UP_SECONDS = 3
/** Envoy waits for so long, and then does as the limit says of an agent that is away. */
const ENVOY_WAITS_MS = 250

/** One load, of some seconds. */
interface AskLoad {
  readonly asksPerSecond: number
  readonly milliseconds: Distribution
  /** Shares of what was asked. */
  readonly refused: number
  readonly failed: number
  readonly agentCpus: number
  readonly cpuMicrosecondsPerAsk: number
}

export interface LimitsReport {
  readonly proxies: number
  readonly consumers: number
  /** Of each, 99 of 100 answers came before Envoy would have stopped waiting. */
  readonly loads: readonly AskLoad[]
  /** The next, of which that is not so any more. */
  readonly tooMuch: AskLoad
  readonly agentPeakRssMebibytes: number
}

/** How many requests one agent decides about, of a limit of the scope MESH that is never reached; it leases from a plane, as it is published. */
export const measureLimits = async (
  directory: string,
  seconds: number,
  tell: (step: string) => void,
): Promise<LimitsReport> => {
  const world = await World.create(directory)
  const driver = fork(join(import.meta.dirname, 'ask-client.ts'))
  try {
    const client = await signIn(world)
    const cluster = await world.join('east', 'flat')
    await world.writeRegistry(cluster, 'clients.yaml', clientDocuments(PROXIES))
    await world.startAgent(cluster)
    await client.call(applyConfiguration, { params: { mesh: 'demo' }, yaml: limit })
    const proxies = await makeTokens(client, 'east', PROXIES)
    const connection = await connectOptions(client, cluster)
    send(driver, { type: 'connect', ...connection, proxies, limit: 'RateLimit/bench/bench/each', consumers: CONSUMERS })
    await ask(driver, WARM_UP_SECONDS, FIRST_RATE)
    const loads: AskLoad[] = []
    let rate = FIRST_RATE
    tell(`${rate} asks/s`)
    let load = await measureLoad(driver, agentPid(cluster), seconds, rate)
    while (isInTime(load)) {
      loads.push(load)
      rate = Math.round(rate * 1.5)
      tell(`${rate} asks/s`)
      load = await measureLoad(driver, agentPid(cluster), seconds, rate)
    }
    return {
      proxies: PROXIES,
      consumers: CONSUMERS,
      loads,
      tooMuch: load,
      agentPeakRssMebibytes: readUsage(agentPid(cluster)).peakRssMebibytes,
    }
  } finally {
    if (driver.connected) send(driver, { type: 'close' })
    await world.stop()
  }
}

const limit = `apiVersion: policy.atoll.dev/v1alpha1
kind: RateLimit
metadata: {name: bench, namespace: bench}
spec:
  limits: [{name: each, scope: MESH, requests: 1000, per: 1s, by: [{claim: sub}]}]
`

const measureLoad = async (
  driver: ChildProcess,
  agent: number,
  seconds: number,
  asksPerSecond: number,
): Promise<AskLoad> => {
  const cpuBefore = readUsage(agent).cpuSeconds
  const { milliseconds, refused, failed } = await ask(driver, seconds, asksPerSecond)
  const cpuSeconds = readUsage(agent).cpuSeconds - cpuBefore
  const asked = milliseconds.length + failed
  return {
    asksPerSecond,
    milliseconds: toDistribution(milliseconds),
    refused: toShare(refused, asked),
    failed: toShare(failed, asked),
    agentCpus: Math.round((cpuSeconds / seconds) * 100) / 100,
    cpuMicrosecondsPerAsk: Math.round((cpuSeconds * 1e6) / asked),
  }
}

const isInTime = ({ failed, milliseconds }: AskLoad): boolean => failed === 0 && milliseconds.p99 <= ENVOY_WAITS_MS

const ask = (driver: ChildProcess, seconds: number, asksPerSecond: number): Promise<AskRun> => {
  const answer = new Promise<AskRun>((resolve) => driver.once('message', resolve))
  send(driver, { type: 'run', seconds, asksPerSecond })
  return answer
}

const send = (driver: ChildProcess, command: AskCommand): void => void driver.send(command)
const toShare = (part: number, whole: number): number => Math.round((part / whole) * 10_000) / 10_000
