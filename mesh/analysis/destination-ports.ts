import type { Problem } from '../problem.ts'
import { resolveHost } from '../merge/resolve-host.ts'
import { toServiceHostname } from '../names.ts'
import { problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import { destinationsOf } from './destinations-of.ts'

/**
 * Destinations whose port their service has not, and those that name none of several: then the port counts that the client asked for, which
 * the destination may not have.
 */
export const findPortProblems = (objects: AnalyzedObjects, domainSuffix: string): readonly Problem[] => {
  const portsOf = new Map<string, readonly number[]>([
    ...objects.serviceEntries.flatMap(({ spec }) =>
      spec.hosts.map((host) => [host.toLowerCase(), spec.ports.map(({ number }) => number)] as const),
    ),
    // An alias has the ports of what it stands for.
    ...objects.services
      .filter(({ spec }) => spec.type !== 'ExternalName')
      .map(
        ({ metadata, spec }) =>
          [
            toServiceHostname(metadata.name, metadata.namespace, domainSuffix),
            spec.ports.map(({ port }) => port),
          ] as const,
      ),
  ])
  return objects.virtualServices.flatMap((object) => {
    const { namespace } = object.metadata
    const own = new Set(object.spec.hosts.map((host) => resolveHost(host, namespace, domainSuffix)))
    return destinationsOf(object.spec).flatMap(({ destination, path }) => {
      const host = resolveHost(destination.host, namespace, domainSuffix)
      const ports = portsOf.get(host)
      if (!ports || ports.length === 0) return []
      const wanted = destination.port?.number
      if (wanted !== undefined && !ports.includes(wanted)) {
        const message = `${host} has no port ${wanted}: there are ${ports.join(', ')}`
        return [problemOf(object, 'dangling_reference', 'warning', [...path, 'port', 'number'], message)]
      }
      // To the very service that the client named its own port fits.
      if (wanted !== undefined || ports.length === 1 || own.has(host)) return []
      const message = `${host} has several ports (${ports.join(', ')}): name one, or the one that the client asked for counts`
      return [problemOf(object, 'ambiguous', 'warning', [...path, 'port'], message)]
    })
  })
}
