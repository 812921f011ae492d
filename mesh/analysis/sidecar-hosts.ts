import { defaultMeshConfig } from '../config/mesh-config.ts'
import { hostsOverlap, isWildcard } from '../config/schema/host-names.ts'
import { MANY_OWNERS, ownerOfHost } from '../host-owner.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import { toServiceHostname } from '../names.ts'
import type { Problem } from '../problem.ts'
import { problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import type { KnownMesh } from './known-mesh.ts'
import { istioRootNamespace } from './root-namespace.ts'

/**
 * Hosts of Sidecars' egress listeners that take nothing: no service and no VirtualService. Says nothing where the workloads are not known, as
 * the services are hardly known then; nor of wildcards where clusters may have more than the objects do, nor
 * among files of a namespace of which they have no service.
 */
export const findIdleEgressHosts = (objects: AnalyzedObjects, known: KnownMesh): readonly Problem[] => {
  if (!known.workloads) return []
  const there = hostsThere(objects, known.domainSuffix)
  const served = new Set(
    [...objects.services, ...objects.serviceEntries].map(({ metadata: { namespace } }) => namespace),
  )
  const { rootNamespace } = known.defaults ?? defaultMeshConfig
  const roots = [rootNamespace, istioRootNamespace]
  const isIdle = (text: string, ownNamespace: string): boolean => {
    const [written = '', host = ''] = text.split('/')
    const isOwn = written === '.'
    if (written.startsWith('~') || (host === '*' && (isOwn || written === '*'))) return false
    const namespace = isOwn ? ownNamespace : written
    const owner = namespace === '*' ? ownerOfHost(host, known.domainSuffix) : namespace
    if (known.lookedIn === 'objects' && owner !== undefined && owner !== MANY_OWNERS && !served.has(owner)) return false
    // Sidecars name a root namespace by habit, and what is there is seldom among the files.
    const isLeftOpen = isWildcard(host)
      ? known.lookedIn !== 'objects' || roots.includes(namespace)
      : known.hasHost(host, ownNamespace)
    if (isLeftOpen) return false
    return !there.some((each) => (namespace === '*' || namespace === each.namespace) && hostsOverlap(host, each.host))
  }
  return objects.sidecars.flatMap((sidecar) =>
    (sidecar.spec.egress ?? []).flatMap(({ hosts }, listener) =>
      hosts.flatMap((text, index) =>
        isIdle(text, sidecar.metadata.namespace)
          ? problemOf(
              sidecar,
              'selects_nothing',
              'warning',
              ['spec', 'egress', listener, 'hosts', index],
              `no service and no VirtualService is ${text}`,
            )
          : [],
      ),
    ),
  )
}

const hostsThere = (
  { services, serviceEntries, virtualServices }: AnalyzedObjects,
  domainSuffix: string,
): readonly { readonly namespace: string; readonly host: string }[] => [
  ...services.map(({ metadata: { name, namespace } }) => ({
    namespace,
    host: toServiceHostname(name, namespace, domainSuffix),
  })),
  ...serviceEntries.flatMap(({ metadata: { namespace }, spec }) =>
    spec.hosts.map((host) => ({ namespace, host: host.toLowerCase() })),
  ),
  ...virtualServices.flatMap(({ metadata: { namespace }, spec }) =>
    spec.hosts.map((host) => ({ namespace, host: resolveHost(host, namespace, domainSuffix) })),
  ),
]
