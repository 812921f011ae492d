import type { MeshGraph } from '#api/schemas/metrics.ts'
import { toSafeWord } from '../output/safe-text.ts'
import { toKnown } from './call-tree.ts'
import { toErrorColour, toLatencyText, toRateText, toRatioText, toShortHost, toWorkloadText } from './traffic-text.ts'

type Edge = MeshGraph['edges'][number]

/** The graph in Graphviz' language (https://graphviz.org/doc/info/lang.html): a box for each cluster, what is not by mTLS dashed. */
export const toDot = (mesh: string, graph: MeshGraph): string => {
  const known = toKnown(graph)
  const places = Map.groupBy(
    graph.nodes.filter(({ id }) => known.has(id)),
    ({ cluster }) => cluster,
  )
  const clusters = [...places].flatMap(([cluster, nodes]) => [
    `  subgraph ${quote(`cluster_${cluster}`)} {`,
    `    label=${quote(cluster)}`,
    ...nodes.map(({ id, namespace, workload }) => `    ${quote(id)} [label=${quote(`${namespace}/${workload}`)}]`),
    '  }',
  ])
  const outside = new Map(
    graph.edges.flatMap((edge) =>
      toEnds(edge, known)
        .filter(({ isKnown }) => !isKnown)
        .map(({ id, label }) => [id, label]),
    ),
  )
  return [
    `digraph ${quote(mesh)} {`,
    '  rankdir=LR',
    '  node [shape=box, style=rounded]',
    ...clusters,
    ...[...outside].map(([id, label]) => `  ${quote(id)} [label=${quote(label)}, style="rounded,dashed"]`),
    ...graph.edges.map((edge) => toEdge(edge, known)),
    '}',
  ].join('\n')
}

/** Its two ends; who is not known is another for each service that is called, and another as caller. */
const toEnds = ({ source, destination, service }: Edge, known: ReadonlySet<string>) => [
  known.has(source)
    ? { id: source, label: source, isKnown: true }
    : { id: `from ${source}`, label: `${toWorkloadText(source)} caller`, isKnown: false },
  known.has(destination)
    ? { id: destination, label: destination, isKnown: true }
    : { id: `to ${service}`, label: toShortHost(service), isKnown: false },
]

const toEdge = (edge: Edge, known: ReadonlySet<string>): string => {
  const { protocol, mutualTls, requestRate, errorRatio, p99, tcp } = edge
  const isHttp = requestRate > 0
  const label = [
    toShortHost(edge.service),
    isHttp ? `${toRateText(requestRate)} ${protocol} requests/s` : `${toRateText(tcp.openedRate)} connections/s`,
    ...(isHttp ? [`${toRatioText(errorRatio)} errors, p99 ${toLatencyText(p99)}`] : []),
  ]
  const attributes = [
    `label="${label.map(escape).join('\\n')}"`,
    ...(mutualTls === true ? [] : ['style=dashed']),
    ...[toErrorColour(errorRatio)].flatMap((colour) =>
      colour ? [`color=${colour === 'red' ? 'red' : 'orange'}`] : [],
    ),
  ]
  return `  ${toEnds(edge, known)
    .map(({ id }) => quote(id))
    .join(' -> ')} [${attributes.join(', ')}]`
}

const quote = (text: string): string => `"${escape(text)}"`

/** Graphviz knows backslashes (also ours, of control characters) and HTML's entities in what is quoted. */
const escape = (text: string): string =>
  toSafeWord(text).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('&', '&amp;')
