import { isWildcard } from './config/schema/host-names.ts'

/** What `ownerOfHost` answers of a wildcard that covers names of several namespaces. */
export const MANY_OWNERS = '*'

/**
 * The namespace whose a host is by its name: "<name>.<namespace>.svc.<domain suffix>", with more labels before it, a wildcard among them,
 * or without the suffix. Undefined = such a name says nothing of namespaces. docs/decisions/0016-names-of-namespaces.md
 */
export const ownerOfHost = (host: string, domainSuffix: string): string | undefined => {
  // A name may end in a dot, and Istio takes upper case.
  const name = host.toLowerCase().replace(/\.$/, '')
  for (const zone of [`.svc.${domainSuffix.toLowerCase()}`, '.svc']) {
    if (name.endsWith(zone)) {
      const labels = name.slice(0, -zone.length).split('.')
      const owner = labels.at(-1) ?? ''
      if (owner.startsWith('*')) return MANY_OWNERS
      return labels.length > 1 ? owner : undefined
    }
    if (isWildcard(name) && zone.endsWith(name.slice(1))) return MANY_OWNERS
  }
  return undefined
}

/** Whether a host is another namespace's by its name. */
export const isForeignHost = (host: string, namespace: string, domainSuffix: string): boolean => {
  const owner = ownerOfHost(host, domainSuffix)
  return owner !== undefined && owner !== namespace
}
