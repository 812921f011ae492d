import type { Publication } from '../uplink.ts'
import { conditionTypes, type Condition } from './condition.ts'
import { toCamelCase, toMessage } from './to-conditions.ts'

/** What became of an object that asks to be published, as a condition of it: the reason is the state in CamelCase. */
export const toPublishedCondition = ({ state, revision, path, message }: Publication): Condition => ({
  type: conditionTypes.published,
  status: state === 'published' ? 'True' : state === 'waiting' ? 'Unknown' : 'False',
  reason: toCamelCase(state),
  message: toMessage([
    ...(message === undefined ? [] : [path ? `${path} ${message}` : message]),
    ...(revision === undefined ? [] : [`in the mesh since revision ${revision}`]),
  ]),
})
