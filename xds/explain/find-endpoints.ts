import type { Cluster } from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import { HealthStatus } from '#envoy/envoy/config/core/v3/health_check_pb.ts'
import type { LbEndpoint } from '#envoy/envoy/config/endpoint/v3/endpoint_components_pb.ts'
import type { ClusterName, ServiceKey } from '#mesh/names.ts'
import type { DirectEndpoint } from '#mesh/view.ts'
import type { SettledCall } from './call.ts'
import type { Found, Step, Stop } from './explanation.ts'
import type { Facts } from './facts.ts'
import { plaintext, readTransport, type Transport } from './read-transport.ts'
import { toDeciders, type Served } from './served.ts'
import { isForwardProxy, isOriginalDestination } from './tell-cluster.ts'

/** Where a call may go. */
export interface Target {
  /** An IP address, or a host name that the proxy resolves. */
  readonly address: string
  readonly port: number
  readonly priority: number
  /** What it takes of the calls, in proportion to the others of its priority. */
  readonly weight: number
  readonly isHealthy: boolean
  readonly transport: Transport
  /** Who is there; undefined = nobody that the mesh knows. */
  readonly endpoint: DirectEndpoint | undefined
  /** The cluster whose gateway it is; undefined = it is no gateway. */
  readonly gatewayOf: ClusterName | undefined
}

/** The endpoints of an EnvoyCluster, and who they are. */
export const findEndpoints = (
  facts: Facts,
  { assignments }: Pick<Served, 'assignments'>,
  xdsCluster: Cluster,
  call: SettledCall,
  proxy: string,
): Found<readonly Target[]> => {
  const key = readService(xdsCluster)
  if (isOriginalDestination(xdsCluster) || isForwardProxy(xdsCluster)) {
    const address = isForwardProxy(xdsCluster) ? call.host : (call.address ?? call.host)
    const transport = readTransport(xdsCluster, undefined)
    const target = toTarget(facts, key, {
      address,
      port: call.port,
      priority: 0,
      weight: 1,
      isHealthy: true,
      transport,
    })
    const how = isForwardProxy(xdsCluster) ? 'the proxy resolves' : 'the client chose'
    return {
      steps: [{ stage: 'endpoints', proxy, text: `${xdsCluster.name} goes where ${how}: ${address}:${call.port}` }],
      value: [target],
    }
  }
  const { endpoints = [] } = xdsCluster.loadAssignment ?? assignments.get(xdsCluster.name) ?? {}
  const sharesByLocality = xdsCluster.commonLbConfig?.localityConfigSpecifier.case === 'localityWeightedLbConfig'
  const targets = endpoints.flatMap((group) => {
    const total = group.lbEndpoints.reduce((sum, each) => sum + toWeight(each), 0)
    const scale = sharesByLocality ? (group.loadBalancingWeight ?? 0) / total : 1
    return group.lbEndpoints.flatMap((each) => {
      const place = readPlace(each)
      if (!place) return []
      const transport = readTransport(xdsCluster, each)
      const { priority } = group
      const weight = toWeight(each) * scale
      return toTarget(facts, key, { ...place, priority, weight, isHealthy: isHealthy(each), transport })
    })
  })
  const localities = endpoints.map(({ locality, priority, loadBalancingWeight, lbEndpoints }) => {
    const place = [locality?.region, locality?.zone, locality?.subZone].filter(Boolean).join('/') || 'no locality'
    const weight = loadBalancingWeight === undefined ? '' : `, weight ${loadBalancingWeight}`
    return `priority ${priority}, ${place}${weight}: ${toList(lbEndpoints.flatMap((each) => toTargetText(facts, key, each)))}`
  })
  if (targets.length === 0) return stopEmpty(facts, xdsCluster, key)
  const healthy = targets.filter((target) => target.isHealthy).length
  const panics = (xdsCluster.commonLbConfig?.healthyPanicThreshold?.value ?? defaultPanicPercent) > 0
  const step: Step = {
    stage: 'endpoints',
    proxy,
    text: `${xdsCluster.name} has ${targets.length} endpoint${targets.length === 1 ? '' : 's'}${healthy < targets.length ? `, ${healthy} of them healthy` : ''}`,
    details: [
      ...localities,
      ...(healthy === 0 && panics ? ['none is healthy: the proxy tries them all the same'] : []),
    ],
  }
  return healthy === 0 && !panics ? { steps: [step], stop: toSick(xdsCluster) } : { steps: [step], value: targets }
}

/** Envoy: CommonLbConfig.healthy_panic_threshold. */
const defaultPanicPercent = 50

const toWeight = ({ loadBalancingWeight }: LbEndpoint): number => loadBalancingWeight ?? 1

/** Of those that are not healthy none is tried: outlier detection or a preference of localities says so. */
const toSick = ({ name, metadata }: Cluster): Stop => {
  const decidedBy = toDeciders(metadata).map(({ object }) => ({ object, path: 'trafficPolicy' }))
  return {
    code: 'no-endpoints',
    text: `No endpoint of ${name} is healthy, and the proxy tries none that is not`,
    fix: 'See why its pods are ending or not ready; minHealthPercent of outlierDetection would have them tried all the same.',
    answer: 503,
    ...(decidedBy.length > 0 && { decidedBy }),
  }
}

/** The service that an EnvoyCluster leads to. */
export const readService = ({ metadata }: Cluster): ServiceKey | undefined => {
  const service = metadata?.filterMetadata['atoll']?.['service']
  return typeof service === 'string' && service.includes('/') ? (service as ServiceKey) : undefined
}

const isHealthy = ({ healthStatus }: LbEndpoint): boolean =>
  healthStatus === HealthStatus.UNKNOWN ||
  healthStatus === HealthStatus.HEALTHY ||
  healthStatus === HealthStatus.DEGRADED

const readPlace = ({ hostIdentifier }: LbEndpoint): { readonly address: string; readonly port: number } | undefined => {
  const where = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined
  if (where?.case === 'pipe') return { address: `unix://${where.value.path}`, port: 0 }
  if (where?.case !== 'socketAddress') return undefined
  const { address, portSpecifier } = where.value
  return { address, port: portSpecifier.case === 'portValue' ? portSpecifier.value : 0 }
}

type Place = Pick<Target, 'address' | 'port' | 'priority' | 'weight' | 'isHealthy' | 'transport'>

const toTarget = (facts: Facts, key: ServiceKey | undefined, place: Place): Target => {
  const { address, port } = place
  const endpoint = key && facts.endpoints(key).find((each) => each.address === address)
  const gatewayOf = key && !endpoint ? findGateway(facts, key, address, port) : undefined
  return { ...place, endpoint, gatewayOf }
}

const findGateway = (facts: Facts, key: ServiceKey, address: string, port: number): ClusterName | undefined =>
  facts
    .remoteGroups(key)
    .flatMap(({ clusters }) => clusters)
    .find((cluster) => facts.gateways(cluster).addresses.some((each) => each.address === address && each.port === port))

const toTargetText = (facts: Facts, key: ServiceKey | undefined, each: LbEndpoint): string[] => {
  const place = readPlace(each)
  if (!place) return []
  const { endpoint, gatewayOf } = toTarget(facts, key, {
    ...place,
    priority: 0,
    weight: 1,
    isHealthy: true,
    transport: plaintext,
  })
  const who = endpoint
    ? ` ${endpoint.id} in ${endpoint.cluster}`
    : gatewayOf === undefined
      ? ''
      : ` (gateway of ${gatewayOf})`
  return [`${place.address}:${place.port}${who}${isHealthy(each) ? '' : ' draining'}`]
}

const shown = 4
const toList = (texts: readonly string[]): string =>
  texts.length > shown ? `${texts.slice(0, shown).join(', ')} and ${texts.length - shown} more` : texts.join(', ')

const stopEmpty = (
  facts: Facts,
  { name, metadata }: Cluster,
  key: ServiceKey | undefined,
): Found<readonly Target[]> => {
  const [, , subset = ''] = name.split('|')
  const all = key ? facts.endpoints(key) : []
  const decidedBy = toDeciders(metadata).map(({ object }) => ({ object, ...(subset !== '' && { path: 'subsets' }) }))
  const labels = [...new Set(all.map((endpoint) => toLabelText(endpoint.labels)))].slice(0, 3)
  const isUnhealthy = all.length > 0 && all.every(({ health }) => health === 'unhealthy')
  return {
    steps: [],
    stop: {
      code: 'no-endpoints',
      text: isUnhealthy
        ? `${name} has no endpoints: all ${all.length} of the service are unhealthy`
        : subset !== '' && all.length > 0
          ? `Subset ${subset} has no endpoints: none of the ${all.length} of the service has its labels, but ${labels.join('; ')}`
          : `${name} has no endpoints`,
      fix: isUnhealthy
        ? 'See why its pods are not ready.'
        : subset !== '' && all.length > 0
          ? "Mend the subset's labels, or those of the pods."
          : 'See whether pods match the selector of the Service, and are ready.',
      answer: 503,
      ...(decidedBy.length > 0 && { decidedBy }),
    },
  }
}

const toLabelText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',') || 'no labels'
