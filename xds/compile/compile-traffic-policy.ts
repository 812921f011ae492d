import type { LocalityLbSetting } from '#mesh/config/schema/locality.ts'
import type { MeshConfig } from '#mesh/config/mesh-config.ts'
import { toMilliseconds, type Duration } from '#mesh/config/schema/duration.ts'
import type { ConnectionPool } from '#mesh/config/schema/connection-pool.ts'
import type { ClientTls } from '#mesh/config/schema/client-tls.ts'
import type { LoadBalancer as LoadBalancerSettings } from '#mesh/config/schema/load-balancer.ts'
import type { OutlierDetection as OutlierDetectionSettings } from '#mesh/config/schema/outlier-detection.ts'
import type { RetryBudget, TrafficPolicy } from '#mesh/config/schema/traffic-policy.ts'
import type {
  LoadBalancer,
  OutlierDetection,
  TcpKeepalive,
  UpstreamLimits,
  UpstreamPolicy,
  Warmup,
} from '#xds/model/upstream.ts'
import type { HashPolicy } from '#xds/model/virtual-host.ts'

/** A DestinationRule's policy as it holds for one port of one subset. */
export interface EffectivePolicy {
  readonly loadBalancer?: LoadBalancerSettings | undefined
  readonly connectionPool?: ConnectionPool | undefined
  readonly outlierDetection?: OutlierDetectionSettings | undefined
  readonly tls?: ClientTls | undefined
  readonly tunnel?: TrafficPolicy['tunnel']
  readonly proxyProtocol?: TrafficPolicy['proxyProtocol']
  readonly retryBudget?: TrafficPolicy['retryBudget']
}

/**
 * A subset's policy replaces the host's field by field. Settings for a port replace all that they could say, at their level and those
 * before (Istio reference: TrafficPolicy.portLevelSettings: "fields omitted … revert to defaults"). A tunnel is for all ports.
 */
export const toEffectivePolicy = (
  host: TrafficPolicy | undefined,
  subset: TrafficPolicy | undefined,
  port: number,
): EffectivePolicy => {
  const ofHost = toLevel(host, port)
  const ofSubset = toLevel(subset, port)
  const both = { ...ofHost.connection, ...dropUnset(ofSubset.connection) }
  const tunnel = subset?.tunnel ?? host?.tunnel
  return {
    ...both,
    ...(ofSubset.isForPort ? ofSubset.policy : { ...ofHost.policy, ...dropUnset(ofSubset.policy) }),
    tunnel,
  }
}

const toLevel = (level: TrafficPolicy | undefined, port: number) => {
  const forPort = level?.portLevelSettings?.find((settings) => settings.port.number === port)
  const { loadBalancer, connectionPool, outlierDetection, tls } = forPort ?? level ?? {}
  return {
    isForPort: forPort !== undefined,
    policy: { loadBalancer, connectionPool, outlierDetection, tls },
    connection: forPort ? {} : { proxyProtocol: level?.proxyProtocol, retryBudget: level?.retryBudget },
  }
}

const dropUnset = <T extends object>(fields: T): Partial<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>

/** What a rule leaves out, block by block, is what the mesh says (Istio reference: MeshConfig). */
export const withMeshDefaults = (
  policy: EffectivePolicy,
  { defaultTrafficPolicy, localityLbSetting }: MeshConfig,
): EffectivePolicy => ({
  ...policy,
  connectionPool: policy.connectionPool ?? defaultTrafficPolicy?.connectionPool,
  outlierDetection: policy.outlierDetection ?? defaultTrafficPolicy?.outlierDetection,
  ...(localityLbSetting && {
    loadBalancer: { localityLbSetting: withoutDefault(localityLbSetting), ...policy.loadBalancer },
  }),
})

/** That it is enabled is the mesh's default, and asks for nothing by itself. */
const withoutDefault = ({ enabled, ...setting }: LocalityLbSetting): LocalityLbSetting =>
  enabled === false ? { enabled } : setting

export const compilePolicy = (policy: EffectivePolicy, mesh: MeshConfig): UpstreamPolicy => {
  const { tcp, http } = policy.connectionPool ?? {}
  return {
    loadBalancer: compileLoadBalancer(policy.loadBalancer),
    connectTimeoutMs: toMilliseconds(tcp?.connectTimeout ?? mesh.connectTimeout),
    limits: compileLimits(policy.connectionPool, policy.retryBudget),
    ...optional('maxRequestsPerConnection', orUnset(http?.maxRequestsPerConnection)),
    ...optional('idleTimeoutMs', toOptionalMs(http?.idleTimeout ?? tcp?.idleTimeout)),
    ...optional('maxConnectionDurationMs', toOptionalMs(tcp?.maxConnectionDuration)),
    ...optional('maxConcurrentStreams', orUnset(http?.maxConcurrentStreams)),
    ...(http?.http2KeepAlive && {
      pings: {
        intervalMs: toMilliseconds(http.http2KeepAlive.interval),
        timeoutMs: toMilliseconds(http.http2KeepAlive.timeout),
      },
    }),
    ...((tcp?.tcpKeepalive ?? mesh.tcpKeepalive) && {
      tcpKeepalive: compileKeepalive({ ...mesh.tcpKeepalive, ...tcp?.tcpKeepalive }),
    }),
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
      return { kind: 'round-robin', ...compileWarmup(settings) }
    case 'RANDOM':
      return { kind: 'random' }
    case 'LEAST_REQUEST':
    case 'LEAST_CONN':
    case 'UNSPECIFIED':
    case 'PASSTHROUGH':
    case undefined:
      return { kind: 'least-request', ...compileWarmup(settings) }
  }
}

/** Istio reference: WarmupConfiguration. */
const compileWarmup = (settings: LoadBalancerSettings | undefined): { readonly warmup?: Warmup } => {
  const duration = settings?.warmup?.duration ?? settings?.warmupDurationSecs
  if (duration === undefined) return {}
  const { minimumPercent = 10, aggression = 1 } = settings?.warmup ?? {}
  return { warmup: { windowMs: toMilliseconds(duration), minimumPercent, aggression } }
}

/** By what clients are told apart, when the load balancer is a consistent hash. */
export const compileHashPolicy = (settings: LoadBalancerSettings | undefined): HashPolicy | undefined => {
  const hash = settings?.consistentHash
  if (!hash) return undefined
  if (hash.httpHeaderName !== undefined) return { kind: 'header', name: hash.httpHeaderName }
  if (hash.httpQueryParameterName !== undefined) return { kind: 'query-parameter', name: hash.httpQueryParameterName }
  if (hash.httpCookie) {
    const { name, path, ttl, attributes = [] } = hash.httpCookie
    return {
      kind: 'cookie',
      name,
      ...optional('path', path),
      ...optional('ttlMs', toOptionalMs(ttl)),
      ...(attributes.length > 0 && {
        attributes: attributes.map((attribute) => ({ name: attribute.name, value: attribute.value ?? '' })),
      }),
    }
  }
  return hash.useSourceIp ? { kind: 'source-ip' } : undefined
}

const compileLimits = (pool: ConnectionPool | undefined, budget: RetryBudget | undefined): UpstreamLimits => ({
  ...optional('maxConnections', orUnset(pool?.tcp?.maxConnections)),
  ...optional('maxPendingRequests', orUnset(pool?.http?.http1MaxPendingRequests)),
  ...optional('maxRequests', orUnset(pool?.http?.http2MaxRequests)),
  ...optional('maxRetries', orUnset(pool?.http?.maxRetries)),
  ...(budget && {
    retryBudget: { percent: budget.percent ?? 20, minConcurrency: orUnset(budget.minRetryConcurrency) ?? 3 },
  }),
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
  ...optional('consecutiveLocalOriginFailures', orUnset(settings.consecutiveLocalOriginFailures)),
  ...(settings.outlierDetectionHttpErrorCodes?.length && { errorCodes: settings.outlierDetectionHttpErrorCodes }),
  ...optional('intervalMs', toOptionalMs(settings.interval)),
  ...optional('baseEjectionTimeMs', toOptionalMs(settings.baseEjectionTime)),
  ...optional('maxEjectionPercent', orUnset(settings.maxEjectionPercent)),
})
