import type { ConfigObject } from '../config-object.ts'
import { ownerOfHost } from '../host-owner.ts'
import { meshGateway, resolveGatewayName } from '../config/schema/gateway-names.ts'
import { isIpAddress, isWildcard } from '../config/schema/host-names.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import { selectProtocol } from '../registry-records/select-protocol.ts'

/** Something of an object that is not its namespace's alone. */
export interface Overreach {
  readonly path: string
  readonly message: string
}

export interface Reach {
  readonly domainSuffix: string
  readonly rootNamespace: string
  /** Whether another namespace has a service of this host, which names no namespace itself. */
  readonly isHeldElsewhere: (host: string, namespace: string) => boolean
}

/**
 * What of an object says something of other namespaces' services, or to other namespaces' workloads where they call what is not its
 * namespace's: that is for who may write in all namespaces. The object is right by its kind's schema. What a kind reaches that nobody has
 * thought of here is not known, and taken for everything. docs/decisions/0014-published-objects.md
 */
export const findOverreach = (object: ConfigObject, reach: Reach): Overreach | undefined => {
  const { kind, metadata, spec } = object
  const { namespace } = metadata
  if (kind === 'Gateway') return toOverreach('spec.selector', 'a Gateway selects proxies of all namespaces')
  if (ofProxies.has(kind))
    return namespace === reach.rootNamespace
      ? toOverreach('metadata.namespace', `a ${kind} of the root namespace holds for all namespaces`)
      : undefined
  if (ofRecords.has(kind)) return undefined
  if (!ofHosts.has(kind)) return toOverreach('kind', `a ${kind} may hold for all namespaces`)
  if (isForOwnNamespace(spec['exportTo'], namespace)) return undefined
  return findGateway(object) ?? findHost(object, reach) ?? (kind === 'ServiceEntry' ? findCapture(spec) : undefined)
}

/** What is for the proxies of a namespace, and in the root namespace for those of all. */
const ofProxies: ReadonlySet<string> = new Set([
  'Sidecar',
  'EnvoyFilter',
  'ProxyConfig',
  'Telemetry',
  'PeerAuthentication',
  'RequestAuthentication',
  'AuthorizationPolicy',
  'RateLimit',
  'ProxyExtension',
  'WasmPlugin',
])

/** What says for which hosts it is. */
const ofHosts: ReadonlySet<string> = new Set(['VirtualService', 'DestinationRule', 'ServiceEntry'])

/** What is found by selectors of its own namespace alone. */
const ofRecords: ReadonlySet<string> = new Set(['WorkloadEntry', 'WorkloadGroup', 'Service', 'ClientAuthentication'])

const toOverreach = (path: string, message: string): Overreach => ({ path, message })

const isForOwnNamespace = (exportTo: unknown, namespace: string): boolean =>
  Array.isArray(exportTo) && exportTo.length > 0 && exportTo.every((entry) => ['.', '~', namespace].includes(entry))

/** At another namespace's gateway a route stands beside those of others for the same hosts. */
const findGateway = ({ kind, metadata, spec }: ConfigObject): Overreach | undefined => {
  if (kind !== 'VirtualService') return undefined
  const names = listOf(spec['gateways']).map((name) => resolveGatewayName(String(name), metadata.namespace))
  const foreign = names.findIndex((name) => name !== meshGateway && !name.startsWith(`${metadata.namespace}/`))
  return foreign === -1
    ? undefined
    : toOverreach(`spec.gateways[${foreign}]`, `${names[foreign]} is a gateway of another namespace`)
}

const findHost = ({ kind, metadata, spec }: ConfigObject, reach: Reach): Overreach | undefined => {
  const { namespace } = metadata
  const isRule = kind === 'DestinationRule'
  for (const [index, text] of listOf(isRule ? [spec['host']] : spec['hosts']).entries()) {
    const path = isRule ? 'spec.host' : `spec.hosts[${index}]`
    const host = kind === 'ServiceEntry' ? String(text) : resolveHost(String(text), namespace, reach.domainSuffix)
    const owner = ownerOfHost(host, reach.domainSuffix)
    if (owner === namespace) continue
    if (owner !== undefined) return toOverreach(path, `${host} is not a host of the namespace ${namespace}`)
    if (isWildcard(host)) return toOverreach(path, `${host} may cover hosts of other namespaces`)
    if (reach.isHeldElsewhere(host.toLowerCase(), namespace))
      return toOverreach(path, `another namespace has a service of the host ${host}`)
  }
  return undefined
}

/** What takes connections whatever host they are for. */
const findCapture = (spec: ConfigObject['spec']): Overreach | undefined => {
  const addresses = listOf(spec['addresses'])
  const range = addresses.findIndex((address) => !isIpAddress(String(address)))
  if (range !== -1) return toOverreach(`spec.addresses[${range}]`, 'a range of addresses may be of others')
  if (addresses.length > 0) return undefined
  const stream = listOf(spec['ports']).findIndex((port) => {
    const { name, number, protocol } = port as { name: string; number: number; protocol?: string }
    return selectProtocol({ explicit: protocol, name, number }) === 'tcp'
  })
  return stream === -1
    ? undefined
    : toOverreach(`spec.ports[${stream}]`, 'without an address a TCP port takes all connections to it')
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as readonly unknown[]) : [])
