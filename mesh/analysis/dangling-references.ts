import type { Configured } from '../config-object.ts'
import { isForSidecars } from '../config/schema/gateway-names.ts'
import { hostsOverlap, isWildcard } from '../config/schema/host-names.ts'
import { exportToOf } from '../config/service.ts'
import type { VirtualServiceSpec } from '../config/virtual-service.ts'
import { toAudience } from '../merge/is-exported-to.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import { toServiceHostname } from '../names.ts'
import type { Problem } from '../problem.ts'
import { nameOf, problemOf } from './analyzed-objects.ts'
import type { AnalyzedObjects } from './analyzed-objects.ts'
import { destinationsOf, type DestinationReference } from './destinations-of.ts'
import type { KnownMesh } from './known-mesh.ts'

/** A host that may be a wildcard, and what is said of it. */
class HostLookup<Value> {
  readonly #exact = new Map<string, Value[]>()
  readonly #wildcards: { readonly host: string; readonly value: Value }[] = []

  add(host: string, value: Value): void {
    if (host.startsWith('*')) this.#wildcards.push({ host, value })
    else this.#exact.set(host, [...(this.#exact.get(host) ?? []), value])
  }

  /** Whether the host is named as it is, not by a wildcard. */
  hasExact(host: string): boolean {
    return this.#exact.has(host)
  }

  find(host: string): readonly Value[] {
    const byWildcard = this.#wildcards.filter((each) => hostsOverlap(each.host, host)).map(({ value }) => value)
    return [...(this.#exact.get(host) ?? []), ...byWildcard]
  }
}

interface DefinedHost {
  /** "Service shop/web" */
  readonly owner: string
  /** Namespaces whose clients see it; "*" = all. */
  readonly audience: readonly string[]
}

const definedHosts = (
  { services, serviceEntries }: AnalyzedObjects,
  { domainSuffix, defaults }: KnownMesh,
): HostLookup<DefinedHost> => {
  const hosts = new HostLookup<DefinedHost>()
  const define = (object: Parameters<typeof nameOf>[0], exportTo: readonly string[] | undefined): DefinedHost => ({
    owner: nameOf(object),
    audience: toAudience(exportTo, object.metadata.namespace, defaults?.defaultServiceExportTo),
  })
  for (const object of services) {
    const { name, namespace, annotations } = object.metadata
    hosts.add(toServiceHostname(name, namespace, domainSuffix), define(object, exportToOf(annotations)))
  }
  for (const object of serviceEntries) {
    const defined = define(object, object.spec.exportTo)
    for (const host of object.spec.hosts) hosts.add(host.toLowerCase(), defined)
  }
  return hosts
}

const definedSubsets = ({ destinationRules }: AnalyzedObjects, domainSuffix: string): HostLookup<readonly string[]> => {
  const subsets = new HostLookup<readonly string[]>()
  for (const { metadata, spec } of destinationRules) {
    subsets.add(
      resolveHost(spec.host, metadata.namespace, domainSuffix),
      (spec.subsets ?? []).map(({ name }) => name),
    )
  }
  return subsets
}

/**
 * Hosts that are routed without being there, and destinations that lead nowhere. A host may still come with a cluster: a warning. A
 * subset comes from a DestinationRule only: requests for one that no rule defines fail, so it is an error, unless nothing at all is
 * known of its host yet.
 */
export const findDanglingReferences = (objects: AnalyzedObjects, known: KnownMesh): readonly Problem[] => {
  const hosts = definedHosts(objects, known)
  const subsets = definedSubsets(objects, known.domainSuffix)
  const toAbsence = (host: string): string =>
    known.lookedIn === 'objects'
      ? `no Service or ServiceEntry here is ${host}: a cluster may offer it`
      : `no cluster offers ${host} now, and no ServiceEntry names it`

  const problemsOf = (
    object: Configured<VirtualServiceSpec>,
    { destination, path }: DestinationReference,
  ): readonly Problem[] => {
    const host = resolveHost(destination.host, object.metadata.namespace, known.domainSuffix)
    const { subset } = destination
    const rules = subsets.find(host)
    const defined = hosts.find(host)
    const isOffered = known.hasHost(host, object.metadata.namespace)
    const isKnown = defined.length > 0 || isOffered
    const [hidden] = isOffered || !isForSidecars(object.spec.gateways) ? [] : findHidden(object, defined)
    const hasSubset = subset === undefined || rules.some((names) => names.includes(subset))
    const dangling = (severity: Problem['severity'], field: string, message: string): Problem =>
      problemOf(object, 'dangling_reference', severity, [...path, field], message)
    return [
      ...(isKnown ? [] : [dangling('warning', 'host', toAbsence(host))]),
      ...(hidden
        ? [dangling('warning', 'host', `${hidden.owner} has ${host} and is not exported to the clients of this route`)]
        : []),
      ...(hasSubset
        ? []
        : [
            dangling(
              isKnown || rules.length > 0 ? 'error' : 'warning',
              'subset',
              `no DestinationRule for ${host} has a subset "${subset}"`,
            ),
          ]),
    ]
  }
  /** Those that have a host, where none of them is for any of the clients that are known of a route: of one for all, those of its namespace. */
  const findHidden = (
    { metadata: { namespace }, spec }: Configured<VirtualServiceSpec>,
    all: readonly DefinedHost[],
  ) => {
    const routed = toAudience(spec.exportTo, namespace, known.defaults?.defaultVirtualServiceExportTo)
    const clients = routed.map((each) => (each === '*' ? namespace : each))
    const isSeen = ({ audience }: DefinedHost) =>
      audience.includes('*') || clients.some((each) => audience.includes(each))
    return all.some(isSeen) ? [] : all
  }
  /** What a wildcard is for is left open: a service of any name may come. */
  const findAbsentHosts = ({ metadata: { namespace }, spec }: Configured<VirtualServiceSpec>) => {
    if (!isForSidecars(spec.gateways)) return []
    const resolve = (name: string) => resolveHost(name, namespace, known.domainSuffix)
    const destinations = new Set(destinationsOf(spec).map(({ destination }) => resolve(destination.host)))
    return spec.hosts.flatMap((name, index) => {
      const host = resolve(name)
      if (isWildcard(host) || hosts.hasExact(host) || known.hasHost(host, namespace)) return []
      // Of a destination it is told there.
      return destinations.has(host) && hosts.find(host).length === 0 ? [] : [{ host, index }]
    })
  }

  const ofRules = objects.destinationRules.flatMap((object) => {
    const { namespace } = object.metadata
    const host = resolveHost(object.spec.host, namespace, known.domainSuffix)
    if (isWildcard(host) || hosts.find(host).length > 0 || known.hasHost(host, namespace)) return []
    return [problemOf(object, 'dangling_reference', 'warning', ['spec', 'host'], toAbsence(host))]
  })
  const ofRoutes = objects.virtualServices.flatMap((object) => [
    ...findAbsentHosts(object).map(({ host, index }) =>
      problemOf(
        object,
        'dangling_reference',
        'warning',
        ['spec', 'hosts', index],
        `${toAbsence(host)}: ${object.spec.http ? 'sidecars route it on port 80 alone' : 'nothing is routed for it'}`,
      ),
    ),
    ...destinationsOf(object.spec).flatMap((reference) => problemsOf(object, reference)),
  ])
  return [...ofRoutes, ...ofRules]
}
