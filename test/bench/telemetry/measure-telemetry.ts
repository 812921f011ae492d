import type { RequestLoad } from '../sidecar-pair.ts'
import type { Outage } from './outage.ts'

export interface TelemetryOptions {
  /** That are searched. */
  readonly lines: number
  /** Of each load. */
  readonly seconds: number
  readonly request: RequestLoad
  readonly outage: Outage
}

type Tell = (step: string) => void

const EDGE_LINES = 200_000

/** What there is to measure of telemetry; the order is that of the reports. Modules are loaded when they are needed: they decide then which programs there are. */
export const telemetryMeasures = {
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
} as const
