import type { MeshGraph, ServiceMetrics, TrafficMetrics } from '#api/schemas/metrics.ts'
import type { Paint } from '../output/colour.ts'
import { toSafeWord } from '../output/safe-text.ts'
import { isCalled, toCourse, toMutualTlsText, toNameCell, toShortHost, toWorkloadText } from './traffic-text.ts'

/** What is called, with how it goes. */
export interface TrafficRow {
  /** As the API has it. */
  readonly value: TrafficMetrics
  readonly name: string
  readonly cells: (paint: Paint) => readonly string[]
  /** In time, where that is known. */
  readonly course?: (paint: Paint) => string
}

export interface TrafficFilter {
  readonly namespace?: string | undefined
  readonly service?: string | undefined
}

const isWanted = (host: string, namespace: string | undefined, filter: TrafficFilter): boolean =>
  (filter.service === undefined || isCalled(host, filter.service)) &&
  (filter.namespace === undefined || namespace === filter.namespace)

export const serviceHeadings = ['SERVICE', 'CLUSTERS'] as const

export const toServiceRows = ({ items }: ServiceMetrics, filter: TrafficFilter): readonly TrafficRow[] =>
  items
    .filter(({ service, namespace }) => isWanted(service, namespace, filter))
    .map((item) => ({
      value: item,
      name: toSafeWord(item.service),
      cells: () => [
        toNameCell(toShortHost(item.service)),
        toNameCell(item.clusters.filter((cluster) => cluster !== 'unknown').join(',') || '-'),
      ],
      course: (paint) => toCourse(item.series, paint),
    }))

export const edgeHeadings = ['FROM', 'TO', 'SERVICE', 'PROTOCOL', 'MTLS'] as const

export const toEdgeRows = ({ edges, nodes }: MeshGraph, filter: TrafficFilter): readonly TrafficRow[] => {
  const namespaces = new Map(nodes.map(({ id, namespace }) => [id, namespace]))
  return edges
    .filter(({ service, destination }) => isWanted(service, namespaces.get(destination), filter))
    .map((edge) => ({
      value: edge,
      name: toSafeWord(`${edge.source} ${edge.destination} ${edge.service}`),
      cells: (paint) => [
        toNameCell(toWorkloadText(edge.source)),
        toNameCell(toWorkloadText(edge.destination)),
        toNameCell(toShortHost(edge.service)),
        toNameCell(edge.protocol),
        toMutualTlsText(edge.mutualTls, paint),
      ],
    }))
}

export const workloadHeadings = ['WORKLOAD', 'CALLED AS'] as const

/** Workloads that were called: of the others there is nothing to tell. */
export const toWorkloadRows = ({ nodes }: MeshGraph, filter: TrafficFilter): readonly TrafficRow[] =>
  nodes
    .filter(({ services, namespace }) => services.some((service) => isWanted(service, namespace, filter)))
    .map((node) => ({
      value: node,
      name: toSafeWord(node.id),
      cells: () => [
        toNameCell(toWorkloadText(node.id)),
        toNameCell(node.services.map((service) => toShortHost(service)).join(',')),
      ],
    }))

export const clusterHeadings = ['CLUSTER'] as const

export const toClusterRows = ({ clusters }: MeshGraph): readonly TrafficRow[] =>
  clusters.map((cluster) => ({
    value: cluster,
    name: toSafeWord(cluster.name),
    cells: () => [toNameCell(cluster.name)],
  }))

export const trafficOrders = ['rate', 'errors', 'p50', 'p90', 'p99', 'bytes', 'name'] as const
export type TrafficOrder = (typeof trafficOrders)[number]

/** The most first; of equals, by name. */
export const sortTraffic = (rows: readonly TrafficRow[], order: TrafficOrder): readonly TrafficRow[] =>
  rows.toSorted((one, other) => toWeight(other, order) - toWeight(one, order) || (one.name < other.name ? -1 : 1))

const toWeight = ({ value }: TrafficRow, order: TrafficOrder): number => {
  switch (order) {
    case 'rate':
      return value.requestRate + value.tcp.openedRate
    case 'errors':
      return value.errorRate
    case 'bytes':
      return value.tcp.sentByteRate + value.tcp.receivedByteRate
    case 'name':
      return 0
    default:
      return value[order] ?? -1
  }
}
