import {
  Cluster_DiscoveryType as DiscoveryType,
  Cluster_LbPolicy as LbPolicy,
  type Cluster,
} from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import type { Step } from './explanation.ts'
import { toSeconds } from './find-route.ts'
import { toDeciders } from './served.ts'

const balancers: Readonly<Record<number, string>> = {
  [LbPolicy.ROUND_ROBIN]: 'in turn (ROUND_ROBIN)',
  [LbPolicy.LEAST_REQUEST]: 'to the one with fewer requests of two (LEAST_REQUEST)',
  [LbPolicy.RING_HASH]: 'by consistent hash (ring)',
  [LbPolicy.MAGLEV]: 'by consistent hash (maglev)',
  [LbPolicy.RANDOM]: 'at random',
  [LbPolicy.CLUSTER_PROVIDED]: 'not at all',
}

/** Where the endpoints of an EnvoyCluster come from. */
export const isOriginalDestination = ({ clusterDiscoveryType: { case: kind, value } }: Cluster): boolean =>
  kind === 'type' && value === DiscoveryType.ORIGINAL_DST

export const isForwardProxy = ({ clusterDiscoveryType }: Cluster): boolean =>
  clusterDiscoveryType.case === 'clusterType'

/** How an EnvoyCluster spreads calls, and what it does about those that fail. */
export const tellCluster = (xdsCluster: Cluster, proxy: string): Step => {
  const { name, lbPolicy, connectTimeout, outlierDetection, circuitBreakers, metadata } = xdsCluster
  const [limits] = circuitBreakers?.thresholds ?? []
  const told = [
    ['connections', limits?.maxConnections],
    ['pending requests', limits?.maxPendingRequests],
    ['requests', limits?.maxRequests],
  ] as const
  const limited = told.flatMap(([what, value]) =>
    value === undefined || value >= unlimited ? [] : [`${value} ${what}`],
  )
  const errors = outlierDetection?.consecutive5xx ?? outlierDetection?.consecutiveGatewayFailure
  return {
    stage: 'cluster',
    proxy,
    text: `${name}: balanced ${balancers[lbPolicy] ?? 'as its policy says'}`,
    details: [
      ...(connectTimeout ? [`connects within ${toSeconds(connectTimeout)}`] : []),
      outlierDetection
        ? `endpoints are put aside after ${errors ?? 5} errors in a row, for ${outlierDetection.baseEjectionTime ? toSeconds(outlierDetection.baseEjectionTime) : '30s'} and more`
        : 'no outlier detection',
      ...(limited.length > 0 ? [`at most ${limited.join(', ')}`] : []),
    ],
    decidedBy: toDeciders(metadata),
  }
}

const unlimited = 0xffff_ffff
