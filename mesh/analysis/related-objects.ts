import { z } from 'zod'
import { objectKeyOf, toObjectKey, type ConfigObject } from '../config-object.ts'
import { partOfMessage } from '../config/schema/message.ts'
import { isWildcard } from '../config/schema/host-names.ts'
import { virtualService } from '../config/virtual-service.ts'
import { toDelegateKey } from '../merge/merge-delegates.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import { toServiceHostname } from '../names.ts'

/**
 * Objects have to do with each other by the hosts that they name, VirtualServices by delegation and by the Gateways that they are bound to, Sidecars, Telemetry objects, ProxyExtensions, and PeerAuthentications with Services by their namespace, RequestAuthentications with AuthorizationPolicies wherever they are, and WorkloadEntries by it with the ServiceEntries that may select them: no rule of the analysis looks at two
 * objects that share neither. So a change is analysed with what it is related to and not with the whole mesh. Who adds a rule
 * of another kind adds its relation here; the property test beside this compares with the analysis of everything.
 */
export interface RelatedObject {
  readonly object: ConfigObject
  /** Full names; wildcards as they are. Of VirtualServices also their own keys and those that they delegate to. */
  readonly hosts: ReadonlySet<string>
}

/** An object with the hosts that it names anywhere in its spec, as `host` or `hosts`. */
export const toRelatedObject = (object: ConfigObject, domainSuffix: string): RelatedObject => {
  const { kind, metadata, spec } = object
  const named = kind === 'Service' ? [toServiceHostname(metadata.name, metadata.namespace, domainSuffix)] : []
  // An AuthorizationPolicy's are no services.
  if (kind !== 'AuthorizationPolicy') collectHosts(spec, named)
  // A ServiceEntry's host is never short for another one: both readings count.
  const hosts = named
    .map(toHost)
    .flatMap((host) => [host.toLowerCase(), resolveHost(host, metadata.namespace, domainSuffix)])
  return { object, hosts: new Set([...hosts, ...delegationKeys(object)]) }
}

const delegation = z.object({
  http: z
    .array(
      z.object({
        delegate: partOfMessage({ name: z.string(), namespace: z.string().optional() }).optional().catch(undefined),
      }),
    )
    .catch([])
    .optional(),
})

const delegationKeys = ({ kind, metadata, spec }: ConfigObject): readonly string[] => {
  if (kind !== virtualService.kind) return []
  const { http = [] } = delegation.parse(spec)
  const delegates = http.flatMap(({ delegate }) => (delegate ? toDelegateKey(delegate, metadata.namespace) : []))
  return [toObjectKey(kind, metadata.namespace, metadata.name), ...delegates]
}

const collectHosts = (value: unknown, into: string[]): void => {
  if (Array.isArray(value)) for (const item of value) collectHosts(item, into)
  else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) {
      if (key === 'host' && typeof item === 'string') into.push(item)
      else if (key === 'hosts' && Array.isArray(item)) into.push(...item.filter((host) => typeof host === 'string'))
      else collectHosts(item, into)
    }
  }
}

/** A Sidecar's hosts read "<namespace>/<host>". */
const toHost = (text: string): string => text.slice(text.indexOf('/') + 1)

/** By the workloads of a namespace that they share, and Services with what names their ports; by the requests that are read and judged. */
const toRelation = ({ kind, metadata }: ConfigObject): string | undefined => {
  switch (kind) {
    case 'Sidecar':
    case 'Telemetry':
    case 'ProxyExtension':
    case 'WasmPlugin':
      return `${kind}/${metadata.namespace}`
    case 'PeerAuthentication':
    case 'Service':
      return `ports/${metadata.namespace}`
    case 'RequestAuthentication':
    case 'AuthorizationPolicy':
      return 'requests'
    default:
      return undefined
  }
}

/** The objects that have something to do with the written ones, those among them. */
export const selectRelated = (
  objects: Iterable<RelatedObject>,
  written: readonly RelatedObject[],
): readonly ConfigObject[] => {
  const hosts = new Set(written.flatMap((each) => [...each.hosts]))
  const isForAll = [...hosts].some(isWildcard)
  const relations = new Set(written.flatMap(({ object }) => toRelation(object) ?? []))
  const entries = written.map(({ object }) => object).filter(({ kind }) => kind === 'WorkloadEntry')
  const entryKeys = new Set(entries.map(objectKeyOf))
  const entryNamespaces = new Set(entries.map(({ metadata }) => metadata.namespace))
  const kinds = new Set(written.map(({ object }) => object.kind))
  /** VirtualServices are bound to Gateways by name, and these share ports. */
  const isByGateway = ({ kind, spec }: ConfigObject): boolean =>
    (kind === 'Gateway' && (kinds.has('Gateway') || kinds.has('VirtualService'))) ||
    (kind === 'VirtualService' && kinds.has('Gateway') && Array.isArray(spec['gateways']))
  const isRelated = ({ object, hosts: named }: RelatedObject): boolean =>
    isForAll ||
    isByGateway(object) ||
    [...named].some((host) => hosts.has(host) || isWildcard(host)) ||
    relations.has(toRelation(object) ?? '') ||
    (object.kind === 'ServiceEntry' &&
      entryNamespaces.has(object.metadata.namespace) &&
      object.spec['workloadSelector'] !== undefined) ||
    (object.kind === 'WorkloadEntry' && entryKeys.has(objectKeyOf(object)))
  return [...objects].filter(isRelated).map(({ object }) => object)
}
