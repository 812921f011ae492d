import type { RequestLoad } from '../sidecar-pair.ts'

export interface PolicyOptions {
  /** Of each load. */
  readonly seconds: number
  readonly request: RequestLoad
}

type Tell = (step: string) => void

/** What there is to measure of policies; the order is that of the reports. Modules are loaded when they are needed: they decide then which programs there are. */
export const policyMeasures = {
  memory: async (_: PolicyOptions, directory: string, tell: Tell) =>
    (await import('./memory.ts')).measurePolicyMemory(directory, tell),
  request: async ({ request }: PolicyOptions, directory: string, tell: Tell) =>
    (await import('./request.ts')).measurePolicyRequests(directory, request, tell),
  limits: async ({ seconds }: PolicyOptions, directory: string, tell: Tell) =>
    (await import('./limits.ts')).measureLimits(directory, seconds, tell),
} as const
