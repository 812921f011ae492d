import type { ClusterDelivery, RevisionDelivery } from '#api/schemas/revisions.ts'

export const isInSync = ({ connected, silent, heldBecause, live, proxies }: ClusterDelivery): boolean =>
  connected && silent === undefined && heldBecause === undefined && live >= proxies

const sum = (clusters: readonly ClusterDelivery[], count: (cluster: ClusterDelivery) => number): number =>
  clusters.reduce((total, cluster) => total + count(cluster), 0)

/** "revision 7 is live on 14 of 14 proxies in 2 of 2 clusters" */
export const toLiveSentence = ({ revision, clusters }: RevisionDelivery): string => {
  if (clusters.length === 0) return `revision ${revision} waits for a first cluster: none has joined yet`
  const live = sum(clusters, (cluster) => cluster.live)
  const proxies = sum(clusters, (cluster) => cluster.proxies)
  return `revision ${revision} is live on ${live} of ${proxies} proxies in ${clusters.filter(isInSync).length} of ${clusters.length} clusters`
}

const toTypeName = (typeUrl: string): string => typeUrl.slice(typeUrl.lastIndexOf('.') + 1)

/** Why a cluster is not in sync, one reason a line; none when it is. */
export const toLaggardLines = (delivery: ClusterDelivery): string[] => {
  const { cluster, connected, silent, heldBecause, proxies, live, laggards, nacks, absent } = delivery
  const lines: string[] = []
  if (!connected)
    lines.push(`${cluster}: its agent is not connected; when it was, ${live} of ${proxies} proxies had it`)
  if (heldBecause !== undefined) lines.push(`${cluster}: held, see "atoll cluster show ${cluster}": ${heldBecause}`)
  for (const nack of nacks)
    lines.push(
      `${cluster}: ${nack.proxy} refused ${toTypeName(nack.typeUrl)} ${nack.resources.join(', ')}: ${nack.reason}`,
    )
  if (!connected) return lines
  const refusing = new Set(nacks.map((nack) => nack.proxy))
  for (const { proxy, revision, waitingFor } of laggards)
    if (!refusing.has(proxy))
      lines.push(
        `${cluster}: ${proxy} has revision ${revision}${waitingFor === '' ? '' : ` and waits for ${waitingFor}`}`,
      )
  const absentCount = absent?.proxies ?? 0
  const unnamed = proxies - live - laggards.length - absentCount
  if (unnamed > 0) lines.push(`${cluster}: ${unnamed} ${laggards.length > 0 ? 'more ' : ''}proxies are behind`)
  const absentNames = absent?.names ?? []
  for (const name of absentNames) lines.push(`${cluster}: ${name} has no stream: it runs, and is connected to no agent`)
  const unnamedAbsent = absentCount - absentNames.length
  if (unnamedAbsent > 0)
    lines.push(
      `${cluster}: ${unnamedAbsent} ${absentNames.length > 0 ? 'more ' : ''}proxies run and have no stream to an agent`,
    )
  if (silent !== undefined)
    lines.push(`${cluster}: ${silent === 1 ? 'an agent' : `${silent} agents`} of it serves no proxies yet`)
  return lines
}

/**
 * Nothing more will come by waiting: what is not live was refused by its proxy. A cluster that is away or held may
 * come back, and is waited for.
 */
export const isSettled = ({ clusters }: RevisionDelivery): boolean =>
  clusters.every((cluster) => {
    if (isInSync(cluster)) return true
    if (!cluster.connected || cluster.silent !== undefined || cluster.heldBecause !== undefined) return false
    const refusing = new Set(cluster.nacks.map((nack) => nack.proxy))
    return cluster.live + refusing.size >= cluster.proxies
  })
