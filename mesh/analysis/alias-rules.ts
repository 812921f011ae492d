import { ownerOfHost } from '../host-owner.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import { toServiceHostname } from '../names.ts'
import type { Problem } from '../problem.ts'
import { problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import type { KnownMesh } from './known-mesh.ts'

/**
 * DestinationRules for a host that is another name of a service (a Service of type ExternalName): who calls it reaches that one, by its
 * own rules. Whether the other name is a service's is told by the name.
 */
export const findAliasRules = (
  { services, destinationRules }: AnalyzedObjects,
  known: KnownMesh,
): readonly Problem[] => {
  const names = new Map<string, string | undefined>(
    services.map(({ metadata, spec }) => [
      toServiceHostname(metadata.name, metadata.namespace, known.domainSuffix),
      spec.type === 'ExternalName' ? spec.externalName?.toLowerCase() : undefined,
    ]),
  )
  return destinationRules.flatMap((object) => {
    const { namespace } = object.metadata
    const host = resolveHost(object.spec.host, namespace, known.domainSuffix)
    const target = names.has(host) ? names.get(host) : known.aliasOf?.(host, namespace)
    if (target === undefined || ownerOfHost(target, known.domainSuffix) === undefined) return []
    const message = `${host} is another name of ${target}: the rules for that one hold`
    return [problemOf(object, 'ineffective', 'warning', ['spec', 'host'], message)]
  })
}
