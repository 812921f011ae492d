import { z } from 'zod'

/** Longer messages are cut (characters): an object has a few of them, and a cluster many objects. */
export const MAX_CONDITION_MESSAGE = 1024

/** What is so of a configuration object in one cluster, in the shape of Kubernetes' (and Istio's) conditions, without its times. */
export const condition = z.object({
  type: z.string().max(128),
  status: z.enum(['True', 'False', 'Unknown']),
  /** CamelCase, stable: scripts match on it. docs/problems.md lists them. */
  reason: z.string().max(128),
  /** For a person; "" = there is nothing to add. */
  message: z.string().max(MAX_CONDITION_MESSAGE),
})
export type Condition = z.infer<typeof condition>

/** Before the names of our types: others write conditions of the same objects. */
const prefix = 'atoll.dev/'

/** The types, named after Gateway API's where those mean the same. */
export const conditionTypes = {
  /** Its schema, and what its kind asks for beyond that, are met. */
  accepted: `${prefix}Accepted`,
  /** Proxies of the cluster are given all that it says. */
  effective: `${prefix}Effective`,
  /** Another object wants the same thing. The one type whose "True" is no good news, as in Gateway API. */
  conflicted: `${prefix}Conflicted`,
  /** What it names is there. */
  resolvedRefs: `${prefix}ResolvedRefs`,
  /** It asks to be published mesh-wide, and is. Only on an object that asks. */
  published: `${prefix}Published`,
} as const

const ownCondition = z.object({ type: z.string().startsWith(prefix) })

/** Whether a condition in an object's status is one of Atoll's, of this version or of another. */
export const isOwnCondition = (value: unknown): boolean => ownCondition.safeParse(value).success

/** Whether a condition says that something is not as it should be. */
export const isTrouble = ({ type, status }: Condition): boolean =>
  status === (type === conditionTypes.conflicted ? 'True' : 'False')
