import type { ObjectMeta } from '../config-object.ts'

/** On a mesh object: `override` puts it before a cluster's own object of the same key; `default`, as without it, behind. */
export const PRECEDENCE_ANNOTATION = 'atoll.dev/precedence'

export const isOverride = (metadata: ObjectMeta): boolean =>
  metadata.annotations?.[PRECEDENCE_ANNOTATION] === 'override'
