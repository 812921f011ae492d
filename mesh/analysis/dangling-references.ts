import type { Configured } from '../config-object.ts'
import { isForSidecars } from '../config/schema/gateway-names.ts'
import { hostsOverlap, isWildcard } from '../config/schema/host-names.ts'
import type { VirtualServiceSpec } from '../config/virtual-service.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import { toServiceHostname } from '../names.ts'
import type { Problem } from '../problem.ts'
import { problemOf } from './analyzed-objects.ts'
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

const definedHosts = ({ services, serviceEntries }: AnalyzedObjects, domainSuffix: string): HostLookup<true> => {
  const hosts = new HostLookup<true>()
  for (const { metadata } of services)
    hosts.add(toServiceHostname(metadata.name, metadata.namespace, domainSuffix), true)
  for (const { spec } of serviceEntries) for (const host of spec.hosts) hosts.add(host.toLowerCase(), true)
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
  const hosts = definedHosts(objects, known.domainSuffix)
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
    const isKnown = hosts.find(host).length > 0 || known.hasHost(host, object.metadata.namespace)
    const hasSubset = subset === undefined || rules.some((names) => names.includes(subset))
    const dangling = (severity: Problem['severity'], field: string, message: string): Problem =>
      problemOf(object, 'dangling_reference', severity, [...path, field], message)
    return [
      ...(isKnown ? [] : [dangling('warning', 'host', toAbsence(host))]),
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
