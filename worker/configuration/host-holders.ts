import { ownerOfHost } from '#mesh/host-owner.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { BaseConfiguration } from './base-configuration.ts'

/** A host, and the wildcards that cover it. */
export const toCovering = (host: string): readonly string[] => [
  host,
  ...Array.from(host, (_letter, start) => `*${host.slice(start)}`),
]

/** Where the mesh's ServiceEntries have hosts that name no namespace. */
export const namespacesByHost = ({
  objects,
  domainSuffix,
}: BaseConfiguration): ReadonlyMap<string, ReadonlySet<string>> => {
  const byHost = new Map<string, Set<string>>()
  for (const { object, hosts } of objects.values()) {
    if (object.kind !== 'ServiceEntry') continue
    for (const host of hosts)
      if (ownerOfHost(host, domainSuffix) === undefined)
        getOrAdd(byHost, host, () => new Set<string>()).add(object.metadata.namespace)
  }
  return byHost
}
