import type { ConfigObject } from '#mesh/config-object.ts'
import { ownerOfHost } from '#mesh/host-owner.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import { findOverreach } from '#mesh/publishing/find-overreach.ts'
import type { Overreach } from '#mesh/publishing/find-overreach.ts'
import type { Wish } from '../mesh/publishing/candidates.ts'
import type { Wishes } from '../mesh/publishing/commit-publishing.ts'
import type { BaseConfiguration } from './base-configuration.ts'

export interface ReachStore {
  readCandidate(cluster: string, key: string): ConfigObject
  /** The namespaces in which some cluster has a service of one of these host names, each as it is written. */
  findNamespacesOf(hostnames: readonly string[]): readonly string[]
}

interface Verdict {
  /** What the object that is asked for, or the one that is published, does beyond what was granted. */
  readonly fault: Overreach | undefined
  /** Whether what the cluster publishes under this key now may stay. */
  readonly mayStay: boolean
}

const within: Verdict = { fault: undefined, mayStay: true }

/**
 * Finds what wishes ask for beyond a grant for their namespace. What is published is looked at anew in each pass, since grants change. A
 * host that names no namespace is the one's who published for it first: who comes later takes nothing away.
 */
export const createReachCheck = (
  store: ReachStore,
  { scopeOf, rootNamespace }: Wishes,
  base: BaseConfiguration,
): ((wish: Wish, holds: boolean) => Verdict) => {
  const { domainSuffix } = base
  let entries: ReadonlyMap<string, ReadonlySet<string>> | undefined
  const isHeldElsewhere = (host: string, namespace: string): boolean => {
    entries ??= namespacesByHost(base)
    const names = toCovering(host)
    const configured = names.flatMap((name) => [...(entries?.get(name) ?? [])])
    return [...configured, ...store.findNamespacesOf(names)].some((each) => each !== namespace)
  }
  return (wish, holds) => {
    if (scopeOf(wish) !== 'namespace') return within
    const held = holds ? base.objects.get(wish.key) : undefined
    const reach = { domainSuffix, rootNamespace }
    const heldFault = held && findOverreach(held.object, { ...reach, isHeldElsewhere: () => false })
    if (wish.problem !== null || (holds && !wish.changed)) return { fault: heldFault, mayStay: !heldFault }
    const fault = findOverreach(store.readCandidate(wish.cluster, wish.key), {
      ...reach,
      isHeldElsewhere: (host, namespace) => !held?.hosts.has(host) && isHeldElsewhere(host, namespace),
    })
    return { fault, mayStay: !(fault && heldFault) }
  }
}

/** A host, and the wildcards that cover it. */
const toCovering = (host: string): readonly string[] => [
  host,
  ...Array.from(host, (_letter, start) => `*${host.slice(start)}`),
]

/** Where the mesh's ServiceEntries have hosts that name no namespace. */
const namespacesByHost = ({ objects, domainSuffix }: BaseConfiguration): ReadonlyMap<string, ReadonlySet<string>> => {
  const byHost = new Map<string, Set<string>>()
  for (const { object, hosts } of objects.values()) {
    if (object.kind !== 'ServiceEntry') continue
    for (const host of hosts)
      if (ownerOfHost(host, domainSuffix) === undefined)
        getOrAdd(byHost, host, () => new Set<string>()).add(object.metadata.namespace)
  }
  return byHost
}
