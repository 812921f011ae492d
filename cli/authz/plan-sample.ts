import type { MeshGraph } from '#api/schemas/metrics.ts'
import type { AccessLog, LogFilters } from '#api/schemas/telemetry.ts'
import { clusterName } from '#mesh/names.ts'

/** Calls of one kind: who calls whom. */
export interface Stratum {
  readonly query: Pick<LogFilters, 'cluster' | 'reporter' | 'source' | 'destination' | 'namespace' | 'security'>
  /** Whether a record that the search finds is of it: names are of several things. */
  readonly has: (record: AccessLog) => boolean
  /** How many there were, about; undefined = not known. */
  readonly count: number | undefined
  /** How many of them are looked at, at most. */
  readonly most: number
}

export interface SamplePlan {
  readonly strata: readonly Stratum[]
  /** Callers of which nothing is looked at, as there are too many. */
  readonly leftOut: number
}

export interface SampleFrame {
  readonly graph: Pick<MeshGraph, 'nodes' | 'edges' | 'from' | 'to'> | undefined
  readonly gateways: readonly { readonly cluster: string; readonly namespace: string; readonly workload: string }[]
  /** Of whom is called; undefined = all. */
  readonly namespaces: readonly string[] | undefined
}

/** Records that are looked at, and kinds of calls. */
export const maxRecords = 2000
export const maxStrata = 200
/** Counts come later than records, and both are cut off at the edges of the time: a few more are asked for. */
const leastOfOne = 10

/** Of the newest of all, whoever calls. */
const mostUncounted = 200

type Node = MeshGraph['nodes'][number]

/** Which records are looked at, so that none who calls much hides one who calls little: of everyone the newest, and more of all where few call. */
export const planSample = (frame: SampleFrame): SamplePlan => {
  const found = frame.graph && frame.graph.edges.length > 0 ? findStrata(frame.graph, frame) : undefined
  if (!found) return { strata: withShares(findAll(frame)), leftOut: 0 }
  const sorted = found.toSorted((one, other) => (other.count ?? 0) - (one.count ?? 0))
  // Who has only just begun to call nobody has counted yet.
  const newest = findAll(frame).map((stratum) => ({ ...stratum, count: 0, most: mostUncounted }))
  return {
    strata: [...withShares(sorted.slice(0, maxStrata)), ...newest],
    leftOut: Math.max(0, sorted.length - maxStrata),
  }
}

type Unshared = Omit<Stratum, 'most'>

const unknown = 'unknown'

const findStrata = (
  { nodes, edges, from, to }: NonNullable<SampleFrame['graph']>,
  { gateways, namespaces }: SampleFrame,
): readonly Unshared[] => {
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const isAsked = (namespace: string) => namespaces === undefined || namespaces.includes(namespace)
  const isGateway = ({ cluster, namespace, workload }: Node) =>
    gateways.some(
      (each) =>
        each.cluster === cluster &&
        each.namespace === namespace &&
        (each.workload === workload || each.workload.startsWith(`${workload}-`)),
    )
  const strata = new Map<string, Unshared & { readonly count: number }>()
  const add = (key: string, edge: MeshGraph['edges'][number], stratum: Omit<Unshared, 'count'>) => {
    const count = Math.round((edge.requestRate + edge.tcp.openedRate) * seconds)
    strata.set(key, { ...stratum, count: (strata.get(key)?.count ?? 0) + count })
  }
  for (const edge of edges) {
    const [source, destination] = [byId.get(edge.source), byId.get(edge.destination)]
    if (destination && edge.reporter === 'destination' && isAsked(destination.namespace))
      add(JSON.stringify([edge.source, edge.destination, edge.mutualTls]), edge, toCaller(source, destination, edge))
    if (source && isGateway(source) && isAsked(source.namespace)) add(source.id, edge, toGateway(source))
  }
  return [...strata.values()]
}

const toCaller = (
  source: Node | undefined,
  { cluster, namespace, workload }: Node,
  { mutualTls }: MeshGraph['edges'][number],
): Omit<Unshared, 'count'> => {
  const known = source && source.workload !== unknown ? source : undefined
  const security = mutualTls === null ? undefined : mutualTls ? 'mutual_tls' : 'none'
  return {
    query: {
      cluster: clusterName.safeParse(cluster).data,
      reporter: 'destination',
      destination: workload,
      namespace,
      ...(known && { source: known.workload }),
      ...(security && { security }),
    },
    has: (record) =>
      record.destination_workload === workload &&
      record.destination_workload_namespace === namespace &&
      (security === undefined || record.connection_security_policy === security) &&
      record.source_workload === known?.workload &&
      record.source_workload_namespace === known?.namespace,
  }
}

const toGateway = ({ cluster, namespace, workload }: Node): Omit<Unshared, 'count'> => ({
  query: {
    cluster: clusterName.safeParse(cluster).data,
    reporter: 'source',
    source: workload,
    namespace,
  },
  has: (record) => isOfGateway(record) && record.source_workload_namespace === namespace,
})

const isOfGateway = ({ proxy }: AccessLog): boolean => proxy?.startsWith('gateway/') ?? false

/** Where nobody has counted. */
const findAll = ({ gateways, namespaces }: SampleFrame): readonly Unshared[] => {
  const isAsked = (namespace: string | undefined) => namespaces === undefined || namespaces.includes(namespace ?? '')
  return [
    {
      query: { reporter: 'destination' },
      has: ({ proxy }) => isAsked(proxy?.split('/')[1]),
      count: undefined,
    },
    ...(gateways.length > 0
      ? [
          {
            query: { reporter: 'source' as const },
            has: (record: AccessLog) => isOfGateway(record) && isAsked(record.proxy?.split('/')[1]),
            count: undefined,
          },
        ]
      : []),
  ]
}

/** As many of each as there are, as long as that is no more than its part of what is left. */
const withShares = (strata: readonly Unshared[]): readonly Stratum[] => {
  let left = maxRecords
  const ascending = strata.toSorted((one, other) => (one.count ?? maxRecords) - (other.count ?? maxRecords))
  return ascending.map((stratum, index) => {
    const part = Math.floor(left / (ascending.length - index))
    const most = Math.max(1, Math.min(part, Math.max(leastOfOne, stratum.count ?? maxRecords)))
    left -= most
    return { ...stratum, most }
  })
}
