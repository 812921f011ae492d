import type { ClusterDelivery, RevisionDelivery } from '#api/schemas/revisions.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { absentProxies } from '#mesh/uplink.ts'
import { MAX_SHOWN } from './delivery.ts'
import type { AgentAnswers } from './mesh-store.ts'
import type { Sessions } from './uplink/sessions.ts'

/** Puts names to the proxies that a delivery counts as absent, where all agents can tell them: those that are connected to no replica. */
export const nameAbsent = async (
  sessions: Sessions,
  askAbsent: (cluster: string) => Promise<AgentAnswers>,
  delivery: RevisionDelivery,
): Promise<RevisionDelivery> => ({
  ...delivery,
  clusters: await Promise.all(
    delivery.clusters.map(async (cluster) =>
      cluster.absent && canTell(sessions, cluster) ? await withNames(cluster, cluster.absent, askAbsent) : cluster,
    ),
  ),
})

const canTell = (sessions: Sessions, { cluster }: ClusterDelivery): boolean => {
  const connected = sessions.ofCluster(cluster)
  return connected.length > 0 && connected.every(({ state }) => state.tellsAbsent === true)
}

const withNames = async (
  cluster: ClusterDelivery,
  { proxies }: NonNullable<ClusterDelivery['absent']>,
  askAbsent: (cluster: string) => Promise<AgentAnswers>,
): Promise<ClusterDelivery> => {
  const { answers, missing } = await askAbsent(cluster.cluster)
  const lists = answers.map((text) => absentProxies.safeParse(parseJson(text)).data ?? [])
  if (missing !== null) return cluster
  // They may have come back since they were counted.
  const [names = [], ...others] = lists
  const sets = others.map((other) => new Set(other))
  const nowhere = names.filter((name) => sets.every((set) => set.has(name)))
  return { ...cluster, absent: { proxies, names: nowhere.slice(0, Math.min(MAX_SHOWN, proxies)) } }
}
