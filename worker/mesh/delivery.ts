import type { ClusterDelivery, RevisionDelivery } from '#api/schemas/revisions.ts'
import type { Delivery } from '#mesh/uplink.ts'
import { sha256Hex } from '../secret-token.ts'
import { listAgentHolds } from './agent-holds.ts'
import { listMembers } from './clusters.ts'
import type { ClusterRow } from './clusters.ts'
import type { Sessions } from './uplink/sessions.ts'

/** How many laggards and refusals of one cluster are shown. */
const MAX_SHOWN = 20

/** How far each cluster is with a revision: the sum of what its replicas last said. */
export const readDelivery = async (
  sql: SqlStorage,
  sessions: Sessions,
  revision: number,
): Promise<RevisionDelivery> => {
  const members = listMembers(sql)
  const clusters = members.map((cluster) => toClusterDelivery(sql, sessions, cluster, revision))
  const complete =
    members.every(({ name }) => hasSpoken(sessions, name)) &&
    clusters.every(({ heldBecause, live, proxies }) => heldBecause === undefined && live === proxies)
  const facts = { revision, clusters, complete }
  return { ...facts, version: await sha256Hex(JSON.stringify(facts)) }
}

/** Whether every connected replica of a cluster has said how far it is, and there is one. */
const hasSpoken = (sessions: Sessions, cluster: string): boolean => {
  const connected = sessions.ofCluster(cluster)
  return connected.length > 0 && connected.every(({ state }) => state.delivery !== null)
}

const toClusterDelivery = (
  sql: SqlStorage,
  sessions: Sessions,
  cluster: ClusterRow,
  revision: number,
): ClusterDelivery => {
  const connected = sessions.ofCluster(cluster.name)
  const last = cluster.delivery === null ? [] : [cluster.delivery]
  const said = connected.length > 0 ? connected.flatMap(({ state }) => state.delivery ?? []) : last
  const held = listAgentHolds(sql, cluster.name).find(({ kind }) => kind === 'restored-plane')
  return {
    cluster: cluster.name,
    connected: connected.length > 0,
    proxies: sum(said, ({ proxies }) => proxies),
    live: sum(said, (delivery) => countLive(delivery, revision)),
    laggards: said
      .flatMap(({ laggards }) => laggards.filter((laggard) => laggard.revision < revision))
      .slice(0, MAX_SHOWN),
    nacks: said.flatMap(({ nacks }) => nacks).slice(0, MAX_SHOWN),
    ...(held && { heldBecause: held.reason }),
  }
}

const sum = (said: readonly Delivery[], count: (delivery: Delivery) => number): number =>
  said.reduce((total, delivery) => total + count(delivery), 0)

const countLive = ({ live }: Delivery, revision: number): number =>
  live.reduce((total, entry) => (entry.revision >= revision ? total + entry.proxies : total), 0)
