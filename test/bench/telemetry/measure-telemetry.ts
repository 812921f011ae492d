import type { Outage } from './outage.ts'
import type { RequestLoad } from './request.ts'

/** What there is to measure of telemetry; the order is that of the reports. */
const measures = {
  agent: async ({ seconds }: TelemetryOptions, directory: string, tell: Tell) =>
    (await import('./agent.ts')).measureAgent(directory, seconds, tell),
  edge: async (_: TelemetryOptions, directory: string, tell: Tell) =>
    (await import('./edge.ts')).measureEdge(directory, EDGE_LINES, tell),
  query: async ({ lines }: TelemetryOptions, directory: string, tell: Tell) =>
    (await import('./query.ts')).measureQueries(directory, lines, tell),
  request: async ({ request }: TelemetryOptions, directory: string, tell: Tell) =>
    (await import('./request.ts')).measureRequests(directory, request, tell),
  outage: async ({ outage }: TelemetryOptions, directory: string, tell: Tell) =>
    (await import('./outage.ts')).measureOutage(directory, outage, tell),
}

export interface TelemetryOptions {
  /** That are searched. */
  readonly lines: number
  /** Of each load. */
  readonly seconds: number
  readonly request: RequestLoad
  readonly outage: Outage
}

type Tell = (step: string) => void
type TelemetryPart = keyof typeof measures

const EDGE_LINES = 200_000

/** None are all. */
export const parseTelemetryParts = (names: readonly string[]): readonly TelemetryPart[] => {
  const all = Object.keys(measures) as TelemetryPart[]
  const unknown = names.find((name) => !Object.hasOwn(measures, name))
  if (unknown !== undefined) throw new Error(`a part of telemetry is ${all.join(', ')}, not ${unknown}`)
  return names.length === 0 ? all : all.filter((part) => names.includes(part))
}

/** Modules are loaded when they are needed: they decide then which programs there are. */
export const measureTelemetry = async (
  inFolder: <T>(name: string, run: (directory: string, tell: Tell) => Promise<T>) => Promise<T>,
  parts: readonly TelemetryPart[],
  options: TelemetryOptions,
): Promise<Readonly<Record<string, unknown>>> => {
  const reports: Record<string, unknown> = {}
  for (const part of parts)
    reports[part] = await inFolder<unknown>(part, (directory, tell) => measures[part](options, directory, tell))
  return reports
}
