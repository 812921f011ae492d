import type { ObjectStatus } from '#api/schemas/configuration.ts'
import { findAgentNeeds } from '#mesh/agent-needs.ts'
import { configObject } from '#mesh/config-object.ts'
import { compareText } from '#mesh/merge/compare-text.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { conditionTypes } from '#mesh/status/condition.ts'
import type { ClusterName } from '#mesh/names.ts'
import { findMember } from './clusters.ts'
import { findObject } from './configuration.ts'
import type { Sessions } from './uplink/sessions.ts'

/** A cluster with an agent that is connected and does not know all that this version does. */
export interface OutdatedAgent {
  readonly cluster: ClusterName
  readonly version: string
  /** Capabilities of the uplink. */
  readonly lacks: readonly string[]
}

/** One for each cluster: of several agents the one that knows least. */
export const listOutdatedAgents = (sql: SqlStorage, sessions: Pick<Sessions, 'open'>): readonly OutdatedAgent[] => {
  const found = new Map<string, Omit<OutdatedAgent, 'cluster'>>()
  for (const { state } of sessions.open()) {
    const { cluster, agentVersion: version, lacks = [] } = state
    if (lacks.length > (found.get(cluster)?.lacks.length ?? 0)) found.set(cluster, { version, lacks })
  }
  return [...found]
    .toSorted(([one], [other]) => compareText(one, other))
    .flatMap(([name, agent]) => {
      const cluster = findMember(sql, name)?.name
      return cluster === undefined ? [] : [{ cluster, ...agent }]
    })
}

/** Where an object does not all that it says, for want of an agent that knows it. */
export const listIgnoring = (sql: SqlStorage, sessions: Pick<Sessions, 'open'>, key: string): ObjectStatus[] => {
  const object = configObject.safeParse(parseJson(findObject(sql, key)?.document ?? '')).data
  const needs = object ? findAgentNeeds(object) : []
  if (needs.length === 0) return []
  return listOutdatedAgents(sql, sessions).flatMap(({ cluster, version, lacks }) => {
    const need = needs.find(({ capability }) => lacks.includes(capability))
    if (!need) return []
    const message = `${need.lost}: the agent's version ${version} does not know this; upgrade it`
    return [
      {
        cluster,
        conditions: [{ type: conditionTypes.effective, status: 'False' as const, reason: 'AgentTooOld', message }],
      },
    ]
  })
}
