import type { ClusterDelivery, RevisionDelivery } from '#api/schemas/revisions.ts'
import type { Delivery } from '#mesh/uplink.ts'
import { sha256Hex } from '../secret-token.ts'
import { findRestoreHolds } from './agent-holds.ts'
import { listMembers } from './clusters.ts'
import type { ClusterRow } from './clusters.ts'
import type { Session } from './uplink/session.ts'
import type { Sessions } from './uplink/sessions.ts'

/** How many laggards, refusals and absent proxies of one cluster are shown. */
export const MAX_SHOWN = 20

/** How far each cluster is with a revision: the sum of what its replicas last said. */
export const readDelivery = async (
  sql: SqlStorage,
  sessions: Sessions,
  revision: number,
): Promise<RevisionDelivery> => {
  const connected = Map.groupBy(sessions.open(), ({ state }) => state.cluster)
  const held = findRestoreHolds(sql)
  const clusters = listMembers(sql).map((cluster) =>
    toClusterDelivery(cluster, connected.get(cluster.name) ?? [], held.get(cluster.name), revision),
  )
  const complete = clusters.every(
    ({ cluster, heldBecause, live, proxies }) =>
      hasSpoken(connected.get(cluster)) && heldBecause === undefined && live === proxies,
  )
  const facts = { revision, clusters, complete }
  return { ...facts, version: await sha256Hex(JSON.stringify(facts)) }
}

/** Whether every connected replica of a cluster has said how far it is, and there is one. */
const hasSpoken = (connected: readonly Session[] | undefined): boolean =>
  connected?.every(({ state }) => state.delivery !== null) ?? false

const toClusterDelivery = (
  cluster: ClusterRow,
  connected: readonly Session[],
  heldBecause: string | undefined,
  revision: number,
): ClusterDelivery => {
  const last = cluster.delivery === null ? [] : [cluster.delivery]
  const silent = connected.filter(({ state }) => state.delivery === null).length
  const said = connected.length > 0 ? connected.flatMap(({ state }) => state.delivery ?? []) : last
  const absent = countAbsent(said)
  return {
    cluster: cluster.name,
    connected: connected.length > 0,
    proxies: sum(said, ({ proxies }) => proxies) + absent,
    live: sum(said, (delivery) => countLive(delivery, revision)),
    laggards: said
      .flatMap(({ laggards }) => laggards.filter((laggard) => laggard.revision < revision))
      .slice(0, MAX_SHOWN),
    nacks: said.flatMap(({ nacks }) => nacks).slice(0, MAX_SHOWN),
    ...(absent > 0 && { absent: { proxies: absent, names: [] } }),
    ...(silent > 0 && { silent }),
    ...(heldBecause !== undefined && { heldBecause }),
  }
}

/**
 * How many proxies run and are connected to none of the replicas. Each replica knows of all of them; the one that knows most is believed,
 * and none when there is one that can't tell.
 */
export const countAbsent = (said: readonly Delivery[]): number => {
  const started = said.flatMap((delivery) => delivery.started ?? [])
  if (started.length === 0 || started.length < said.length) return 0
  const connected = started.reduce((total, { here }) => total + here, 0)
  return Math.max(0, Math.max(...started.map(({ proxies }) => proxies)) - connected)
}

const sum = (said: readonly Delivery[], count: (delivery: Delivery) => number): number =>
  said.reduce((total, delivery) => total + count(delivery), 0)

const countLive = ({ live }: Delivery, revision: number): number =>
  live.reduce((total, entry) => (entry.revision >= revision ? total + entry.proxies : total), 0)
