import type { MeshGraph } from '#api/schemas/metrics.ts'
import type { Paint } from '../output/colour.ts'
import { toTable } from '../output/table.ts'
import { isCalled, toMutualTlsText, toNameCell, toShortHost, toTrafficColumns, toWorkloadText } from './traffic-text.ts'

type Edge = MeshGraph['edges'][number]

/** What is called as a service, by whom, and what its workloads call themselves. */
export const selectService = (graph: MeshGraph, name: string): MeshGraph => {
  const known = toKnown(graph)
  const called = graph.edges.filter(({ service }) => isCalled(service, name))
  const workloads = new Set(called.map(({ destination }) => destination).filter((id) => known.has(id)))
  const edges = graph.edges.filter((edge) => called.includes(edge) || workloads.has(edge.source))
  const ends = new Set(edges.flatMap(({ source, destination }) => [source, destination]))
  const nodes = graph.nodes.filter(({ id }) => ends.has(id))
  const clusters = new Set(nodes.map(({ cluster }) => cluster))
  return { ...graph, edges, nodes, clusters: graph.clusters.filter(({ name: cluster }) => clusters.has(cluster)) }
}

/** The others stand for all who show no certificate, or for whatever is outside: what one of them is called with, another may not have caused. */
export const toKnown = ({ nodes }: MeshGraph): ReadonlySet<string> =>
  new Set(nodes.flatMap(({ id, workload }) => (workload === 'unknown' ? [] : [id])))

/** Who calls whom, each call once: below its caller, where that is first met. Roots are called by nobody, or only in a circle. */
export const toCallTree = (graph: MeshGraph, paint: Paint): string => {
  const known = toKnown(graph)
  const callsOf = Map.groupBy(graph.edges.toSorted(byRate), ({ source }) => source)
  const called = new Set(
    graph.edges.flatMap(({ source, destination }) =>
      source !== destination && known.has(destination) ? [destination] : [],
    ),
  )
  const drawn = new Set<string>()
  const columns = toTrafficColumns(graph.edges)
  const toCalls = (id: string, indent: string): (readonly string[])[] => {
    if (drawn.has(id)) return []
    drawn.add(id)
    const calls = callsOf.get(id) ?? []
    return calls.flatMap((edge, index) => {
      const isLast = index === calls.length - 1
      const { destination } = edge
      const isKnown = known.has(destination)
      const isElsewhere = isKnown && drawn.has(destination) && callsOf.has(destination)
      return [
        [
          ...toCallCells(edge, `${indent}${isLast ? '└─' : '├─'} `, isElsewhere, paint),
          ...columns.toCells(edge, paint),
        ],
        ...(isKnown ? toCalls(destination, `${indent}${isLast ? '  ' : '│ '} `) : []),
      ]
    })
  }
  const sources = [...callsOf.keys()].sort()
  const rows = [...sources.filter((id) => !called.has(id)), ...sources].flatMap((id) =>
    drawn.has(id) ? [] : [[paint('bold', known.has(id) ? toId(id) : `${toId(id)} caller`)], ...toCalls(id, '')],
  )
  return toTable(['CALLS', 'SERVICE', 'PROTOCOL', 'MTLS', ...columns.headings], rows)
}

const byRate = (one: Edge, other: Edge): number =>
  other.requestRate + other.tcp.openedRate - one.requestRate - one.tcp.openedRate ||
  (one.destination < other.destination ? -1 : 1)

const toId = (id: string): string => toNameCell(toWorkloadText(id))

const toCallCells = (edge: Edge, indent: string, isElsewhere: boolean, paint: Paint): readonly string[] => [
  `${paint('dim', indent)}${toId(edge.destination)}${isElsewhere ? paint('dim', ' …') : ''}`,
  toNameCell(toShortHost(edge.service)),
  toNameCell(edge.protocol),
  toMutualTlsText(edge.mutualTls, paint),
]
