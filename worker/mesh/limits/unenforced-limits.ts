import type { ObjectStatus } from '#api/schemas/configuration.ts'
import { rateLimit } from '#mesh/config/rate-limit.ts'
import { compareText } from '#mesh/merge/compare-text.ts'
import { conditionTypes } from '#mesh/status/condition.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { configObject } from '#mesh/config-object.ts'
import { findMember } from '../clusters.ts'
import { findObject } from '../configuration.ts'
import type { Sessions } from '../uplink/sessions.ts'
import { hasMeshScope } from './without-mesh-limits.ts'

/** Of an object with limits of the scope MESH: the clusters with an agent that is too old for them. They don't hold there. */
export const listUnenforced = (sql: SqlStorage, sessions: Pick<Sessions, 'open'>, key: string): ObjectStatus[] => {
  if (!key.startsWith(`${rateLimit.kind}/`)) return []
  const object = configObject.safeParse(parseJson(findObject(sql, key)?.document ?? '')).data
  const limits = object?.spec['limits']
  if (!Array.isArray(limits) || !limits.some(hasMeshScope)) return []
  const old = new Map(
    sessions
      .open()
      .filter(({ state }) => !state.takesLeases)
      .map(({ state }) => [state.cluster, state.agentVersion]),
  )
  return [...old]
    .toSorted(([one], [other]) => compareText(one, other))
    .flatMap(([name, version]) => {
      const cluster = findMember(sql, name)?.name
      const message = `limits of the scope MESH don't hold: the agent's version ${version} does not know them; upgrade it`
      return cluster === undefined
        ? []
        : [
            {
              cluster,
              conditions: [{ type: conditionTypes.effective, status: 'False', reason: 'AgentTooOld', message }],
            },
          ]
    })
}
