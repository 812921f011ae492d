import type { ConfigObject } from '#mesh/config-object.ts'
import { findOverreach } from '#mesh/publishing/find-overreach.ts'
import type { Overreach, Reach } from '#mesh/publishing/find-overreach.ts'
import type { Wish } from '../mesh/publishing/candidates.ts'
import type { Wishes } from '../mesh/publishing/commit-publishing.ts'
import type { HostQuery } from '../mesh/service-list.ts'
import type { BaseConfiguration } from './base-configuration.ts'
import { namespacesByHost, toCovering } from './host-holders.ts'

export interface ReachStore {
  readCandidate(cluster: string, key: string): ConfigObject
  /** In which namespaces some cluster has a service of one of these host names, each as it is written. */
  findNamespacesOf(hostnames: readonly string[]): readonly HostQuery[]
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
    const offered = store.findNamespacesOf(names).map((host) => host.namespace)
    return [...configured, ...offered].some((each) => each !== namespace)
  }
  return (wish, holds) => {
    if (scopeOf(wish) !== 'namespace') return within
    const held = holds ? base.objects.get(wish.key) : undefined
    const reach = { domainSuffix, rootNamespace }
    const heldFault = held && findUngranted(held.object, { ...reach, isHeldElsewhere: () => false })
    if (wish.problem !== null || (holds && !wish.changed)) return { fault: heldFault, mayStay: !heldFault }
    const fault = findUngranted(store.readCandidate(wish.cluster, wish.key), {
      ...reach,
      isHeldElsewhere: (host, namespace) => !held?.hosts.has(host) && isHeldElsewhere(host, namespace),
    })
    return { fault, mayStay: !(fault && heldFault) }
  }
}

const findUngranted = (object: ConfigObject, reach: Reach): Overreach | undefined => {
  const found = findOverreach(object, reach)
  return found && { ...found, message: `${found.message}: that takes a grant for the namespace "*"` }
}
