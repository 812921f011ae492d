import type { DestinationRuleSpec, Subset } from '#mesh/config/destination-rule.ts'
import { toMilliseconds, type Duration } from '#mesh/config/schema/duration.ts'
import type { ConnectionPool } from '#mesh/config/schema/connection-pool.ts'
import type {
  ClientTls,
  LoadBalancer as LoadBalancerSettings,
  OutlierDetection as OutlierDetectionSettings,
  TrafficPolicy,
} from '#mesh/config/schema/traffic-policy.ts'
import type {
  LoadBalancer,
  OutlierDetection,
  TcpKeepalive,
  UpstreamLimits,
  UpstreamPolicy,
} from '#xds/model/upstream.ts'
import type { HashPolicy } from '#xds/model/virtual-host.ts'

/** A DestinationRule's policy as it holds for one port of one subset. */
export interface EffectivePolicy {
  readonly loadBalancer?: LoadBalancerSettings | undefined
  readonly connectionPool?: ConnectionPool | undefined
  readonly outlierDetection?: OutlierDetectionSettings | undefined
  readonly tls?: ClientTls | undefined
}

/**
 * A subset's policy replaces the host's field by field; a level's settings for a port replace all that the level and those before it say
 * (Istio reference: TrafficPolicy.portLevelSettings: "fields omitted … revert to defaults").
 */
export const toEffectivePolicy = (
  host: TrafficPolicy | undefined,
  subset: TrafficPolicy | undefined,
  port: number,
): EffectivePolicy => applyLevel(applyLevel({}, host, port), subset, port)

/** All that may become effective for some port. */
export const toPolicies = ({
  trafficPolicy,
  subsets,
}: Pick<DestinationRuleSpec, 'trafficPolicy'> & { readonly subsets: readonly Subset[] }): EffectivePolicy[] =>
  [trafficPolicy, ...subsets.map((subset) => subset.trafficPolicy)].flatMap((level) =>
    level ? [level, ...(level.portLevelSettings ?? [])] : [],
  )

const applyLevel = (base: EffectivePolicy, level: TrafficPolicy | undefined, port: number): EffectivePolicy => {
  if (!level) return base
  const forPort = level.portLevelSettings?.find((settings) => settings.port.number === port)
  if (forPort) return forPort
  return {
    loadBalancer: level.loadBalancer ?? base.loadBalancer,
    connectionPool: level.connectionPool ?? base.connectionPool,
    outlierDetection: level.outlierDetection ?? base.outlierDetection,
    tls: level.tls ?? base.tls,
  }
}

/** Istio MeshConfig.connectTimeout. */
const defaultConnectTimeoutMs = 10_000

export const compilePolicy = (policy: EffectivePolicy): UpstreamPolicy => {
  const { tcp, http } = policy.connectionPool ?? {}
  return {
    loadBalancer: compileLoadBalancer(policy.loadBalancer),
    connectTimeoutMs: tcp?.connectTimeout ? toMilliseconds(tcp.connectTimeout) : defaultConnectTimeoutMs,
    limits: compileLimits(policy.connectionPool),
    ...optional('maxRequestsPerConnection', orUnset(http?.maxRequestsPerConnection)),
    ...optional('idleTimeoutMs', toOptionalMs(http?.idleTimeout)),
    ...optional('maxConnectionDurationMs', toOptionalMs(tcp?.maxConnectionDuration)),
    ...(tcp?.tcpKeepalive && { tcpKeepalive: compileKeepalive(tcp.tcpKeepalive) }),
    ...(policy.outlierDetection && {
      outlierDetection: compileOutlierDetection(policy.outlierDetection),
      panicPercent: policy.outlierDetection.minHealthPercent ?? 0,
    }),
  }
}

const optional = <Name extends string, Value>(name: Name, value: Value | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: Value }

const toOptionalMs = (duration: Duration | undefined): number | undefined =>
  duration === undefined ? undefined : toMilliseconds(duration)

/** In these protobuf integers 0 is unset. */
const orUnset = (value: number | undefined): number | undefined => (value === 0 ? undefined : value)

const compileLoadBalancer = (settings: LoadBalancerSettings | undefined): LoadBalancer => {
  const hash = settings?.consistentHash
  if (hash?.maglev) return { kind: 'maglev', tableSize: hash.maglev.tableSize }
  if (hash) {
    return {
      kind: 'ring-hash',
      ...optional('minimumRingSize', orUnset(hash.ringHash?.minimumRingSize ?? hash.minimumRingSize)),
    }
  }
  switch (settings?.simple) {
    case 'ROUND_ROBIN':
      return { kind: 'round-robin' }
    case 'RANDOM':
      return { kind: 'random' }
    case 'LEAST_REQUEST':
    case 'LEAST_CONN':
    case 'UNSPECIFIED':
    case undefined:
      return { kind: 'least-request' }
  }
}

/** By what clients are told apart, when the load balancer is a consistent hash. */
export const compileHashPolicy = (settings: LoadBalancerSettings | undefined): HashPolicy | undefined => {
  const hash = settings?.consistentHash
  if (!hash) return undefined
  if (hash.httpHeaderName !== undefined) return { kind: 'header', name: hash.httpHeaderName }
  if (hash.httpQueryParameterName !== undefined) return { kind: 'query-parameter', name: hash.httpQueryParameterName }
  if (hash.httpCookie) {
    const { name, path, ttl } = hash.httpCookie
    return { kind: 'cookie', name, ...optional('path', path), ...optional('ttlMs', toOptionalMs(ttl)) }
  }
  return { kind: 'source-ip' }
}

const compileLimits = (pool: ConnectionPool | undefined): UpstreamLimits => ({
  ...optional('maxConnections', orUnset(pool?.tcp?.maxConnections)),
  ...optional('maxPendingRequests', orUnset(pool?.http?.http1MaxPendingRequests)),
  ...optional('maxRequests', orUnset(pool?.http?.http2MaxRequests)),
  ...optional('maxRetries', orUnset(pool?.http?.maxRetries)),
})

type KeepaliveSettings = NonNullable<NonNullable<ConnectionPool['tcp']>['tcpKeepalive']>

const compileKeepalive = ({ probes, time, interval }: KeepaliveSettings): TcpKeepalive => ({
  ...optional('probes', orUnset(probes)),
  ...optional('timeMs', toOptionalMs(time)),
  ...optional('intervalMs', toOptionalMs(interval)),
})

const compileOutlierDetection = (settings: OutlierDetectionSettings): OutlierDetection => ({
  splitsLocalOriginErrors: settings.splitExternalLocalOriginErrors ?? false,
  ...optional('consecutive5xx', settings.consecutive5xxErrors),
  ...optional('consecutiveGatewayErrors', settings.consecutiveGatewayErrors),
  ...optional('consecutiveLocalOriginFailures', settings.consecutiveLocalOriginFailures),
  ...optional('intervalMs', toOptionalMs(settings.interval)),
  ...optional('baseEjectionTimeMs', toOptionalMs(settings.baseEjectionTime)),
  ...optional('maxEjectionPercent', orUnset(settings.maxEjectionPercent)),
})
