import { setTimeout as sleep } from 'node:timers/promises'
import { listLogs } from '#api/routes/telemetry.ts'
import { MAX_PAGE_SIZE } from '#api/schemas/common.ts'
import { readUsage } from '../process-usage.ts'
import { linePathPrefix } from './record-template.ts'
import { openRecordWorld, untilSent, type RecordWorld } from './record-world.ts'

/** Before the outage, and after it. */
const CALM_SECONDS = 10
const SENT_WITHIN_SECONDS = 900

export interface OutageReport {
  readonly seconds: number
  /** Access log records that proxies told; what they could not. */
  readonly told: number
  readonly droppedByProxies: number
  /** Different ones that a search of the plane finds; what it finds twice. */
  readonly stored: number
  readonly storedTwice: number
  /** By reason, as the agent counts it. */
  readonly shed: Readonly<Record<string, number>>
  /** Told, and neither stored nor counted. */
  readonly missing: number
  /** From the end of the outage until nothing waited in the agent. */
  readonly secondsToCatchUp: number
  readonly agentPeakRssMebibytes: number
}

export interface Outage {
  readonly seconds: number
  readonly linesPerSecond: number
  readonly spoolMebibytes: number
}

/** What becomes of records while the plane answers 503 for telemetry. */
export const measureOutage = async (
  directory: string,
  { seconds, linesPerSecond, spoolMebibytes }: Outage,
  tell: (step: string) => void,
): Promise<OutageReport> => {
  const world = await openRecordWorld(directory, spoolMebibytes)
  try {
    tell(`${linesPerSecond} lines/s for ${seconds + 2 * CALM_SECONDS} s`)
    const running = world.driver.run(seconds + 2 * CALM_SECONDS, linesPerSecond)
    await sleep(CALM_SECONDS * 1000)
    tell('the plane takes no telemetry')
    world.front.telemetry = 'refused'
    await sleep(seconds * 1000)
    tell('the plane takes it again')
    world.front.telemetry = 'on'
    const backAt = performance.now()
    const { told, dropped } = await running
    const { shed } = await untilSent(world, SENT_WITHIN_SECONDS)
    const secondsToCatchUp = Math.round((performance.now() - backAt) / 1000)
    tell('reading all that is stored')
    const { stored, storedTwice } = await countStored(world)
    const lost = Object.values(shed).reduce((sum, value) => sum + value, 0)
    return {
      seconds,
      told,
      droppedByProxies: dropped,
      stored,
      storedTwice,
      shed,
      missing: told - stored - lost,
      secondsToCatchUp,
      agentPeakRssMebibytes: readUsage(world.agentPid).peakRssMebibytes,
    }
  } finally {
    await world.stop()
  }
}

/** Lines are told apart by the numbers in their paths. */
const countStored = async ({ client }: RecordWorld): Promise<{ stored: number; storedTwice: number }> => {
  const known = new Set<string>()
  let found = 0
  const query = { path: linePathPrefix, limit: MAX_PAGE_SIZE }
  for await (const { items } of client.pages(listLogs, { params: { mesh: 'demo' }, query })) {
    found += items.length
    for (const { path = '' } of items) known.add(path)
  }
  return { stored: known.size, storedTwice: found - known.size }
}
