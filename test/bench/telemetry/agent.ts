import { readUsage } from '../process-usage.ts'
import { openRecordWorld, untilSent, type AgentCounts, type RecordWorld } from './record-world.ts'

const SPOOL_MEBIBYTES = 64
const WARM_UP_SECONDS = 3
const FIRST_RATE = 4000
const SENT_WITHIN_SECONDS = 120

/** One load, of some seconds. Lines are access log records, of which one in 80 is an error. */
interface AgentLoad {
  /** That proxies had to tell. */
  readonly offeredPerSecond: number
  readonly sentOnPerSecond: number
  /** Shares of what was offered: proxies got no answer in time; the agent shed it, by reason; it was on disk when the load ended. */
  readonly droppedByProxies: number
  readonly shed: Readonly<Record<string, number>>
  readonly leftWaiting: number
  readonly agentCpus: number
  readonly cpuMicrosecondsPerLine: number
  readonly rssMebibytes: number
}

export interface AgentReport {
  /** The most that was tried of what all went on at once. */
  readonly linesPerSecond: number
  readonly loads: Readonly<Record<'most' | 'twice' | 'asMuchAsIsAnswered', AgentLoad>>
  readonly agentPeakRssMebibytes: number
}

/** What one agent takes of access log records, to send them to an edge that takes all: this machine's other CPUs are the proxies' and the edge's. */
export const measureAgent = async (
  directory: string,
  seconds: number,
  tell: (step: string) => void,
): Promise<AgentReport> => {
  const world = await openRecordWorld(directory, SPOOL_MEBIBYTES)
  try {
    world.front.telemetry = 'taken'
    tell('warming up')
    await world.driver.run(WARM_UP_SECONDS, FIRST_RATE)
    const { most, linesPerSecond } = await findMost(world, seconds, tell)
    tell('twice as much')
    const twice = await measureLoad(world, seconds, linesPerSecond * 2)
    tell('as much as is answered')
    const asMuchAsIsAnswered = await measureLoad(world, seconds)
    return {
      linesPerSecond,
      loads: { most, twice, asMuchAsIsAnswered },
      agentPeakRssMebibytes: readUsage(world.agentPid).peakRssMebibytes,
    }
  } finally {
    await world.stop()
  }
}

/** Each rate is a fifth more than the one before. */
const findMost = async (
  world: RecordWorld,
  seconds: number,
  tell: (step: string) => void,
): Promise<{ readonly most: AgentLoad; readonly linesPerSecond: number }> => {
  let found: { most: AgentLoad; linesPerSecond: number } | undefined
  for (let rate = FIRST_RATE; ; rate = Math.round(rate * 1.2)) {
    tell(`${rate} lines/s`)
    const load = await measureLoad(world, seconds, rate)
    if (isWellTaken(load, seconds)) found = { most: load, linesPerSecond: rate }
    else if (found) return found
    else throw new Error(`not even ${rate} lines/s are taken: ${JSON.stringify(load)}`)
  }
}

/** Nothing is lost, and no more waits than comes in a second. */
const isWellTaken = ({ shed, droppedByProxies, leftWaiting }: AgentLoad, seconds: number): boolean =>
  Object.keys(shed).length === 0 && droppedByProxies === 0 && leftWaiting <= 1 / seconds

const measureLoad = async (world: RecordWorld, seconds: number, linesPerSecond?: number): Promise<AgentLoad> => {
  const before = await untilSent(world, SENT_WITHIN_SECONDS)
  const cpuBefore = readUsage(world.agentPid).cpuSeconds
  const run = await world.driver.run(seconds, linesPerSecond)
  const after = await world.readCounts()
  const { cpuSeconds, rssMebibytes } = readUsage(world.agentPid)
  const offered = run.told + run.dropped
  const received = after.received - before.received
  return {
    offeredPerSecond: Math.round(offered / run.seconds),
    sentOnPerSecond: Math.round((after.sent - before.sent) / run.seconds),
    droppedByProxies: toShare(run.dropped, offered),
    shed: toShed(before, after, offered),
    leftWaiting: toShare(after.waiting, offered),
    agentCpus: toHundredths((cpuSeconds - cpuBefore) / run.seconds),
    cpuMicrosecondsPerLine: toHundredths(((cpuSeconds - cpuBefore) * 1e6) / received),
    rssMebibytes,
  }
}

const toShed = (before: AgentCounts, after: AgentCounts, offered: number): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(after.shed).flatMap(([reason, value]) => {
      const shed = value - (before.shed[reason] ?? 0)
      return shed > 0 ? [[reason, toShare(shed, offered)]] : []
    }),
  )

const toShare = (part: number, whole: number): number => Math.round((part / whole) * 10_000) / 10_000
const toHundredths = (value: number): number => Math.round(value * 100) / 100
