import { create } from '@bufbuild/protobuf'
import { CircuitBreakersSchema, type CircuitBreakers } from '#envoy/envoy/config/cluster/v3/circuit_breaker_pb.ts'
import {
  Cluster_CommonLbConfig_LocalityWeightedLbConfigSchema,
  Cluster_CommonLbConfigSchema,
  Cluster_DiscoveryType as DiscoveryType,
  Cluster_DnsLookupFamily as DnsLookupFamily,
  Cluster_EdsClusterConfigSchema,
  Cluster_LbPolicy as LbPolicy,
  Cluster_TransportSocketMatchSchema,
  type Cluster_TransportSocketMatch,
  ClusterSchema,
  UpstreamConnectionOptionsSchema,
} from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import { OutlierDetectionSchema } from '#envoy/envoy/config/cluster/v3/outlier_detection_pb.ts'
import type { TransportSocket } from '#envoy/envoy/config/core/v3/base_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type {
  Discovery,
  ExternalPeers,
  LoadBalancer,
  OutlierDetection,
  Upstream,
  UpstreamLimits,
  UpstreamPolicy,
  UpstreamProtocol,
  Warmup,
} from '#xds/model/upstream.ts'
import { typeUrls } from '#xds/type-url.ts'
import { buildLoadAssignment } from './build-load-assignment.ts'
import { buildHealthCheck } from './build-health-check.ts'
import { adsSource } from './config-source.ts'
import { toDuration } from './duration.ts'
import { encode } from './encode.ts'
import { forwardProxyClusterType } from './forward-proxy.ts'
import { buildHttpProtocolOptions } from './http-protocol-options.ts'
import type { MessageFields } from './message-fields.ts'
import { buildMetadata, transportMarks } from './metadata.ts'
import { buildProxyProtocolSocket, buildUpstreamTls, rawBufferSocket } from './transport-socket.ts'

type ClusterInit = MessageFields<typeof ClusterSchema>

const unlimited = 0xffff_ffff

export const buildCluster = (upstream: Upstream): UnitResource => {
  const { name, policy } = upstream
  return encode(typeUrls.cluster, ClusterSchema, name, {
    name,
    connectTimeout: toDuration(policy.connectTimeoutMs),
    circuitBreakers: buildCircuitBreakers(policy.limits),
    typedExtensionProtocolOptions: buildHttpProtocolOptions(upstream),
    ...buildLoadBalancer(policy.loadBalancer),
    ...buildDiscovery(upstream.discovery),
    ...withProxyProtocol(buildTls(upstream), upstream.proxyProtocol),
    ...(policy.outlierDetection && buildOutlierDetection(policy.outlierDetection)),
    ...buildCommonLbConfig(policy),
    ...(policy.tcpKeepalive && {
      upstreamConnectionOptions: create(UpstreamConnectionOptionsSchema, {
        tcpKeepalive: {
          keepaliveProbes: policy.tcpKeepalive.probes,
          keepaliveTime: toSeconds(policy.tcpKeepalive.timeMs),
          keepaliveInterval: toSeconds(policy.tcpKeepalive.intervalMs),
        },
      }),
    }),
    ...(upstream.healthCheck && { healthChecks: [buildHealthCheck(upstream.healthCheck)] }),
    ...(upstream.sourceAddress !== undefined && {
      upstreamBindConfig: {
        sourceAddress: { address: upstream.sourceAddress, portSpecifier: { case: 'portValue', value: 0 } },
      },
    }),
    ...buildMetadata({ ...upstream, object: upstream.ruledBy, verifiesMesh: upstream.tls.mode === 'mesh' }),
  })
}

const toSeconds = (milliseconds: number | undefined): number | undefined =>
  milliseconds === undefined ? undefined : Math.ceil(milliseconds / 1000)

const edsConfig = create(Cluster_EdsClusterConfigSchema, { edsConfig: adsSource })

const buildDiscovery = (discovery: Discovery): ClusterInit => {
  switch (discovery.kind) {
    case 'eds':
      return { clusterDiscoveryType: { case: 'type', value: DiscoveryType.EDS }, edsClusterConfig: edsConfig }
    case 'static':
      return {
        clusterDiscoveryType: { case: 'type', value: DiscoveryType.STATIC },
        loadAssignment: buildLoadAssignment(discovery.assignment),
      }
    case 'strict-dns':
    case 'logical-dns':
      return {
        clusterDiscoveryType: {
          case: 'type',
          value: discovery.kind === 'strict-dns' ? DiscoveryType.STRICT_DNS : DiscoveryType.LOGICAL_DNS,
        },
        dnsLookupFamily: DnsLookupFamily.V4_PREFERRED,
        dnsRefreshRate: toDuration(discovery.refreshMs),
        respectDnsTtl: true,
        loadAssignment: buildLoadAssignment(discovery.assignment),
      }
    case 'original-destination':
      return {
        clusterDiscoveryType: { case: 'type', value: DiscoveryType.ORIGINAL_DST },
        lbPolicy: LbPolicy.CLUSTER_PROVIDED,
      }
    case 'forward-proxy':
      return {
        clusterDiscoveryType: { case: 'clusterType', value: forwardProxyClusterType },
        lbPolicy: LbPolicy.CLUSTER_PROVIDED,
      }
  }
}

const buildLoadBalancer = (loadBalancer: LoadBalancer): ClusterInit => {
  switch (loadBalancer.kind) {
    case 'round-robin':
      return {
        lbPolicy: LbPolicy.ROUND_ROBIN,
        ...(loadBalancer.warmup && {
          lbConfig: { case: 'roundRobinLbConfig', value: { slowStartConfig: buildWarmup(loadBalancer.warmup) } },
        }),
      }
    case 'random':
      return { lbPolicy: LbPolicy.RANDOM }
    case 'least-request':
      return {
        lbPolicy: LbPolicy.LEAST_REQUEST,
        ...(loadBalancer.warmup && {
          lbConfig: { case: 'leastRequestLbConfig', value: { slowStartConfig: buildWarmup(loadBalancer.warmup) } },
        }),
      }
    case 'ring-hash': {
      const { minimumRingSize } = loadBalancer
      if (minimumRingSize === undefined) return { lbPolicy: LbPolicy.RING_HASH }
      return {
        lbPolicy: LbPolicy.RING_HASH,
        lbConfig: { case: 'ringHashLbConfig', value: { minimumRingSize: BigInt(minimumRingSize) } },
      }
    }
    case 'maglev': {
      const { tableSize } = loadBalancer
      if (tableSize === undefined) return { lbPolicy: LbPolicy.MAGLEV }
      return {
        lbPolicy: LbPolicy.MAGLEV,
        lbConfig: { case: 'maglevLbConfig', value: { tableSize: BigInt(tableSize) } },
      }
    }
  }
}

const buildWarmup = ({ windowMs, minimumPercent, aggression }: Warmup) => ({
  slowStartWindow: toDuration(windowMs),
  minWeightPercent: { value: minimumPercent },
  // Envoy takes no such number without a key that may override it.
  aggression: { defaultValue: aggression, runtimeKey: 'upstream.warmup_aggression' },
})

const noLimits = create(CircuitBreakersSchema, {
  thresholds: [
    { maxConnections: unlimited, maxPendingRequests: unlimited, maxRequests: unlimited, maxRetries: unlimited },
  ],
})

const buildCircuitBreakers = (limits: UpstreamLimits): CircuitBreakers =>
  Object.keys(limits).length === 0
    ? noLimits
    : create(CircuitBreakersSchema, {
        thresholds: [
          {
            maxConnections: limits.maxConnections ?? unlimited,
            maxPendingRequests: limits.maxPendingRequests ?? unlimited,
            maxRequests: limits.maxRequests ?? unlimited,
            maxRetries: limits.maxRetries ?? unlimited,
            ...(limits.retryBudget && {
              retryBudget: {
                budgetPercent: { value: limits.retryBudget.percent },
                minRetryConcurrency: limits.retryBudget.minConcurrency,
              },
            }),
          },
        ],
      })

const plaintextMatch = create(Cluster_TransportSocketMatchSchema, {
  name: 'plaintext',
  match: transportMarks.plaintext,
  transportSocket: rawBufferSocket,
})

interface TransportSockets {
  readonly transportSocket?: TransportSocket
  readonly transportSocketMatches?: Cluster_TransportSocketMatch[]
}

/** What no match takes goes over the EnvoyCluster's own transport socket: an endpoint without a mark gets mTLS or nothing. */
const buildTls = ({ tls, protocol }: Upstream): TransportSockets => {
  if (tls.mode === 'none') return {}
  const transportSocket = buildUpstreamTls(tls, protocol)
  if (tls.mode !== 'mesh') return { transportSocket }
  const transportSocketMatches = [
    ...(tls.plaintext === 'marked' ? [plaintextMatch] : []),
    ...(tls.external ? [buildExternalMatch(tls.sni, tls.external, protocol)] : []),
  ]
  return { transportSocket, transportSocketMatches }
}

/** The header goes before all that any of the sockets sends. */
const withProxyProtocol = (sockets: TransportSockets, version: Upstream['proxyProtocol']): TransportSockets =>
  version === undefined
    ? sockets
    : {
        transportSocket: buildProxyProtocolSocket(sockets.transportSocket ?? rawBufferSocket, version),
        ...(sockets.transportSocketMatches && {
          transportSocketMatches: sockets.transportSocketMatches.map((match) => ({
            ...match,
            transportSocket: buildProxyProtocolSocket(match.transportSocket ?? rawBufferSocket, version),
          })),
        }),
      }

const buildExternalMatch = (sni: string, peers: ExternalPeers, protocol: UpstreamProtocol) =>
  create(Cluster_TransportSocketMatchSchema, {
    name: 'external',
    match: transportMarks.external,
    transportSocket: buildUpstreamTls({ mode: 'external', sni, ...peers }, protocol),
  })

/** Envoy detects outliers by success rate unless told not to; Istio's API has no such thing. */
const buildOutlierDetection = (detection: OutlierDetection): ClusterInit => ({
  outlierDetection: create(OutlierDetectionSchema, {
    enforcingSuccessRate: 0,
    ...toDetector(detection.consecutive5xx, 'consecutive5xx', 'enforcingConsecutive5xx'),
    ...toDetector(
      detection.consecutiveGatewayErrors,
      'consecutiveGatewayFailure',
      'enforcingConsecutiveGatewayFailure',
    ),
    ...(detection.splitsLocalOriginErrors && {
      splitExternalLocalOriginErrors: true,
      enforcingLocalOriginSuccessRate: 0,
      ...toDetector(
        detection.consecutiveLocalOriginFailures,
        'consecutiveLocalOriginFailure',
        'enforcingConsecutiveLocalOriginFailure',
      ),
    }),
    ...(detection.intervalMs !== undefined && { interval: toDuration(detection.intervalMs) }),
    ...(detection.baseEjectionTimeMs !== undefined && { baseEjectionTime: toDuration(detection.baseEjectionTimeMs) }),
    ...(detection.maxEjectionPercent !== undefined && { maxEjectionPercent: detection.maxEjectionPercent }),
  }),
})

const sharesByLocality = {
  case: 'localityWeightedLbConfig',
  value: create(Cluster_CommonLbConfig_LocalityWeightedLbConfigSchema, {}),
} as const

const buildCommonLbConfig = ({ panicPercent, sharesByLocality: shares }: UpstreamPolicy): ClusterInit =>
  panicPercent === undefined
    ? {}
    : {
        commonLbConfig: create(Cluster_CommonLbConfigSchema, {
          healthyPanicThreshold: { value: panicPercent },
          ...(shares && { localityConfigSpecifier: sharesByLocality }),
        }),
      }

const toDetector = <Count extends string, Enforcing extends string>(
  count: number | undefined,
  countField: Count,
  enforcingField: Enforcing,
) => {
  if (count === undefined) return {}
  return count === 0 ? { [enforcingField]: 0 } : { [countField]: count, [enforcingField]: 100 }
}
