import type { Labels } from '../../promql/labels.ts'
import type { RollupSeries } from './block.ts'
import type { ClusterRollups } from './load-series.ts'
import { toLabels } from './series-name.ts'
import { addToTally, createTally } from './tally.ts'
import type { Tally } from './tally.ts'

/** What the flows of a mesh are told apart by. */
export const flowLabels = [
  'reporter',
  ...['source', 'destination'].flatMap((side) => [`${side}_workload`, `${side}_workload_namespace`, `${side}_cluster`]),
  'destination_service',
  'destination_service_name',
  'destination_service_namespace',
  'request_protocol',
  'response_code',
  'grpc_response_status',
  'connection_security_policy',
] as const

type Side = 'source' | 'destination'

export interface Workload {
  readonly workload: string
  readonly namespace: string
  readonly cluster: string
}

/** A series, with what it is about. */
export interface ToldSeries {
  readonly series: RollupSeries
  readonly labels: Labels
  readonly isOfDestination: boolean
  readonly source: Workload
  readonly destination: Workload
}

const unknown = 'unknown'

const toWorkload = (labels: Labels, side: Side): Workload => ({
  workload: labels.get(`${side}_workload`) ?? unknown,
  namespace: labels.get(`${side}_workload_namespace`) ?? unknown,
  cluster: labels.get(`${side}_cluster`) ?? unknown,
})

export const toWorkloadId = ({ cluster, namespace, workload }: Workload): string =>
  `${cluster}/${namespace}/${workload}`

/** A service, or a way, is one on which something went: some senders tell of nothing as well. */
const hasCounted = ({ points }: RollupSeries): boolean =>
  [...points.values()].some((point) => point.some((value) => value > 0))

/**
 * Both sides tell of the same request. It is told by the destination's proxy where there is one, which sees who calls and what the answer was;
 * by the source's for workloads of which no proxy tells anything, and for requests that came to no workload.
 */
export const chooseTold = (clusters: readonly ClusterRollups[]): ToldSeries[] => {
  const told = clusters.flatMap(({ series }) =>
    series.filter(hasCounted).map((each): ToldSeries => {
      const labels = toLabels(each)
      return {
        series: each,
        labels,
        isOfDestination: labels.get('reporter') === 'destination',
        source: toWorkload(labels, 'source'),
        destination: toWorkload(labels, 'destination'),
      }
    }),
  )
  const telling = new Set(
    told.flatMap(({ isOfDestination, destination }) => (isOfDestination ? [toWorkloadId(destination)] : [])),
  )
  return told.filter(
    ({ isOfDestination, destination }) =>
      isOfDestination || destination.workload === unknown || !telling.has(toWorkloadId(destination)),
  )
}

export interface Group {
  readonly told: [ToldSeries, ...ToldSeries[]]
  readonly tally: Tally
}

/** What is told, added up by a key. */
export const groupTold = (told: readonly ToldSeries[], toKey: (told: ToldSeries) => string): Group[] => {
  const groups = new Map<string, Group>()
  for (const each of told) {
    const key = toKey(each)
    const group = groups.get(key)
    const { tally } = group ?? { tally: createTally() }
    if (group) group.told.push(each)
    else groups.set(key, { told: [each], tally })
    addToTally(tally, each.series, each.labels)
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group)
}
