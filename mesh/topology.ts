import { networkLabel } from './kubernetes/conventions.ts'
import type { ClusterName, NetworkName } from './names.ts'

/** Labels that say where a workload is, as Kubernetes and Istio name them (Istio: "Locality Load Balancing"). */
export const topologyLabels = {
  region: 'topology.kubernetes.io/region',
  zone: 'topology.kubernetes.io/zone',
  subzone: 'topology.istio.io/subzone',
  network: networkLabel,
  cluster: 'topology.istio.io/cluster',
} as const

/** Kubernetes' label for the node that something is on. */
export const nodeLabel = 'kubernetes.io/hostname'

/** Where clients and endpoints are, as far as they are told apart by it. */
export interface Place {
  /** "region/zone/subzone", trailing parts may be missing; "" when unknown. */
  readonly locality: string
  readonly network: NetworkName
  readonly cluster: ClusterName
  /** Of its cluster; absent = it does not matter. */
  readonly node?: string | undefined
  readonly labels: Readonly<Record<string, string>>
}

/** What a label is there; "" when there is none. */
export const toPlaceLabel = ({ locality, network, cluster, node, labels }: Place, label: string): string => {
  const [region = '', zone = '', ...subzone] = locality.split('/')
  switch (label) {
    case topologyLabels.region:
      return region
    case topologyLabels.zone:
      return zone
    case topologyLabels.subzone:
      return subzone.join('/')
    case topologyLabels.network:
      return network
    case topologyLabels.cluster:
      return cluster
    case nodeLabel:
      return node === undefined ? (labels[label] ?? '') : `${cluster}/${node}`
    default:
      return labels[label] ?? ''
  }
}

const derived: ReadonlySet<string> = new Set(Object.values(topologyLabels))

/**
 * Whether something there has all of these labels. Where it is counts as labels of it, before those that it carries itself (Istio: "Partitioning Services",
 * subsets by `topology.istio.io/cluster`).
 */
export const hasLabelsThere = (place: Place, wanted: Place['labels']): boolean => {
  for (const name in wanted) {
    const label = (derived.has(name) && toPlaceLabel(place, name)) || place.labels[name]
    if (label !== wanted[name]) return false
  }
  return true
}

/** Wanted labels without those that some place may have by being where it is. None is known by an empty one. */
export const withoutTopology = (wanted: Place['labels']): Place['labels'] =>
  Object.fromEntries(Object.entries(wanted).filter(([name, value]) => value === '' || !derived.has(name)))

/** The labels of a failover priority that are not known from the place itself: "label" and "label=value" as they are written. */
export const toOwnLabels = (failoverPriority: readonly string[]): string[] =>
  failoverPriority.map((entry) => entry.split('=', 1)[0] ?? '').filter((label) => !derived.has(label))

/** The label by which a workload tells its locality itself, with "." or "/" between its parts. */
const localityLabel = 'istio-locality'

/** Where a workload is: what its label says, else what is known of its node. */
export const toLocality = (labels: Readonly<Record<string, string>>, otherwise: string): string => {
  const told = labels[localityLabel] ?? ''
  if (told === '') return otherwise
  return told.includes('/') ? told : told.replaceAll('.', '/')
}
