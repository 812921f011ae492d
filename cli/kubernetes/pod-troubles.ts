import { z } from 'zod'
import type { FoundObject } from './kubernetes-api.ts'

const terminated = z.object({ exitCode: z.int() })
const containerStatus = z.object({
  name: z.string(),
  state: z
    .object({
      waiting: z.object({ reason: z.string(), message: z.string().optional() }).optional(),
      terminated: terminated.optional(),
    })
    .default({}),
  lastState: z.object({ terminated: terminated.optional() }).default({}),
})
const podStatus = z.object({
  conditions: z.array(z.object({ type: z.string(), status: z.string(), message: z.string().optional() })).default([]),
  initContainerStatuses: z.array(containerStatus).default([]),
  containerStatuses: z.array(containerStatus).default([]),
})

export interface PodTrouble {
  readonly pod: string
  /** One word, such as ImagePullBackOff. */
  readonly reason: string
  /** For a person, with the pod's name. */
  readonly text: string
  /** It is so with every pod that starts, for a while. */
  readonly isStarting: boolean
}

const startingReasons: ReadonlySet<string> = new Set(['ContainerCreating', 'PodInitializing'])

/** Why pods do not run: an image that is not there, no node with room, a process that ends. Nothing for pods that do, and for those that are to go. */
export const findPodTroubles = (pods: readonly FoundObject[]): readonly PodTrouble[] =>
  pods.flatMap((pod) => {
    if (pod.metadata.deletionTimestamp !== undefined) return []
    const read = podStatus.safeParse(pod['status']).data ?? podStatus.parse({})
    const { conditions, initContainerStatuses, containerStatuses } = read
    const unscheduled = conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False')
    const troubles = [
      ...(unscheduled ? [{ reason: 'Unschedulable', text: unscheduled.message ?? 'no node takes it' }] : []),
      ...[...initContainerStatuses, ...containerStatuses].flatMap((status) => toContainerTrouble(status) ?? []),
    ]
    const { name } = pod.metadata
    return troubles.map(({ reason, text }) => ({
      pod: name,
      reason,
      text: `pod ${name}: ${text}`,
      isStarting: startingReasons.has(reason),
    }))
  })

const toContainerTrouble = ({ name, state, lastState }: z.output<typeof containerStatus>) => {
  const { waiting } = state
  if (waiting) {
    const before = lastState.terminated ? `; it ended with code ${lastState.terminated.exitCode}` : ''
    const { reason, message } = waiting
    return { reason, text: `${message === undefined ? reason : `${reason}: ${message}`}${before}` }
  }
  const code = state.terminated?.exitCode ?? 0
  return code === 0 ? undefined : { reason: 'Error', text: `container ${name} ended with code ${code}` }
}
