import { z } from 'zod'
import { isOwnCondition, type Condition } from '#mesh/status/condition.ts'

/** One of ours in an object's status, as `mergeConditions` makes it: Istio's and Kubernetes' shape. */
const kept = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().optional(),
  message: z.string().optional(),
  lastTransitionTime: z.string().optional(),
  /** Istio's type of it has both forms. */
  observedGeneration: z.coerce.number().optional(),
})

/**
 * The conditions that an object is to have: others' as they are, and ours. undefined = it has them already. `lastTransitionTime` is when
 * the status last became another (Kubernetes: API conventions, "Typical status properties").
 */
export const mergeConditions = (
  present: readonly unknown[],
  wanted: readonly Condition[],
  observedGeneration: number,
  nowMilliseconds: number,
): readonly unknown[] | undefined => {
  const ours = present.filter(isOwnCondition)
  const before = new Map(
    ours.flatMap((condition) => kept.safeParse(condition).data ?? []).map((known) => [known.type, known]),
  )
  const isWritten = wanted.every(({ type, status, reason, message }) => {
    const known = before.get(type)
    return (
      known?.status === status &&
      known.reason === reason &&
      (known.message ?? '') === message &&
      known.observedGeneration === observedGeneration
    )
  })
  if (isWritten && ours.length === wanted.length) return undefined
  const now = new Date(nowMilliseconds).toISOString().replace(/\.\d+Z$/, 'Z')
  return [
    ...present.filter((condition) => !isOwnCondition(condition)),
    ...wanted.map((condition) => {
      const known = before.get(condition.type)
      const since = known?.status === condition.status ? known.lastTransitionTime : undefined
      return { ...condition, lastTransitionTime: since ?? now, observedGeneration }
    }),
  ]
}
