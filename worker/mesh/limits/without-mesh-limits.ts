import { hasMeshScope } from '#mesh/agent-needs.ts'
import { rateLimit } from '#mesh/config/rate-limit.ts'
import { stateKeys, type StateChange } from '#mesh/state.ts'

const beginning = `{"key":"${stateKeys.config(`${rateLimit.kind}/`)}`

/**
 * A change's text for an agent that knows no limits of the scope MESH: it is told the others of the object, or, where there are none, that there is no
 * object. It would refuse the whole of it otherwise.
 */
export const withoutMeshLimits = (change: string): string => {
  if (!change.startsWith(beginning) || !change.includes('"MESH"')) return change
  const { key, item } = JSON.parse(change) as StateChange
  if (item?.kind !== 'config' || !Array.isArray(item.value.spec['limits'])) return change
  const limits = item.value.spec['limits'].filter((limit) => !hasMeshScope(limit))
  const left: StateChange = {
    key,
    item: limits.length === 0 ? null : { ...item, value: { ...item.value, spec: { ...item.value.spec, limits } } },
  }
  return JSON.stringify(left)
}
