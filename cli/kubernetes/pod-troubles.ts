import { z } from 'zod'
import type { FoundObject } from './kubernetes-api.ts'

const waiting = z.object({ reason: z.string(), message: z.string().optional() })
const podStatus = z.object({
  phase: z.string().optional(),
  conditions: z.array(z.object({ type: z.string(), status: z.string(), message: z.string().optional() })).default([]),
  containerStatuses: z
    .array(z.object({ name: z.string(), state: z.object({ waiting: waiting.optional() }).default({}) }))
    .default([]),
})

/** Why pods do not run, one line each: an image that is not there, no node with room. Nothing for pods that do. */
export const toPodTroubles = (pods: readonly FoundObject[]): readonly string[] =>
  pods.flatMap((pod) => {
    const { conditions = [], containerStatuses = [] } = podStatus.safeParse(pod['status']).data ?? {}
    const unscheduled = conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False')
    const stuck = containerStatuses.flatMap(({ state }) => (state.waiting === undefined ? [] : [state.waiting]))
    const reasons = [
      ...(unscheduled === undefined ? [] : [unscheduled.message ?? 'no node takes it']),
      ...stuck.map(({ reason, message }) => (message === undefined ? reason : `${reason}: ${message}`)),
    ]
    return reasons.map((reason) => `pod ${pod.metadata.name}: ${reason}`)
  })
