import { toObjectKey, type Configured, type ObjectKey } from '../config-object.ts'
import type { Destination } from '../config/schema/destination.ts'
import type { HttpRoute, WrittenAt } from '../config/schema/http-route.ts'
import { virtualService, type VirtualServiceSpec } from '../config/virtual-service.ts'
import { isExportedTo } from './is-exported-to.ts'
import { mergeHttpMatches, mergeNames, resolveMatches } from './merge-http-matches.ts'
import { resolveHost } from './resolve-host.ts'

type VirtualService = Configured<VirtualServiceSpec>
type Delegate = NonNullable<HttpRoute['delegate']>

/** The key of the VirtualService that a route of a namespace's VirtualService delegates to. */
export const toDelegateKey = ({ name = '', namespace }: Delegate, own: string): ObjectKey =>
  toObjectKey(virtualService.kind, namespace ?? own, name)

export interface DelegationSettings {
  readonly domainSuffix: string
  /** MeshConfig.defaultVirtualServiceExportTo */
  readonly defaultExportTo: readonly string[] | undefined
}

/** The keys of the VirtualServices that one delegates to: one with hosts, for delegates delegate no further. */
export const delegateKeys = ({ metadata, spec }: VirtualService): readonly string[] =>
  spec.hosts.length === 0
    ? []
    : (spec.http ?? []).flatMap(({ delegate }) => (delegate ? toDelegateKey(delegate, metadata.namespace) : []))

/** Why a VirtualService can't be delegated to from a namespace; undefined = it can. */
export const delegateFault = (
  found: VirtualService | undefined,
  fromNamespace: string,
  defaultExportTo: readonly string[] | undefined,
): string | undefined => {
  if (!found) return 'is not there'
  if (found.spec.hosts.length > 0) return 'has hosts: only one without can be delegated to'
  const isExported = isExportedTo(found.spec.exportTo, found.metadata.namespace, fromNamespace, defaultExportTo)
  return isExported ? undefined : `is not exported to namespace ${fromNamespace}`
}

/**
 * A VirtualService with the routes of its delegates in the place of those that delegate to them. A route whose delegate is not there,
 * and a delegate's route whose match does not fit into the root's, are left out. Istio reference: HTTPRoute.delegate.
 */
export const mergeDelegates = (
  root: VirtualService,
  find: (key: string) => VirtualService | undefined,
  { domainSuffix, defaultExportTo }: DelegationSettings,
): VirtualService => {
  if (delegateKeys(root).length === 0) return root
  const { namespace } = root.metadata
  const http = (root.spec.http ?? []).flatMap((route, index): HttpRoute | readonly HttpRoute[] => {
    if (!route.delegate) return { ...route, writtenAt: toHttpRoutePlace(root, index) }
    const found = find(toDelegateKey(route.delegate, namespace))
    if (!found || delegateFault(found, namespace, defaultExportTo) !== undefined) return []
    return mergeDelegate(route, namespace, found, domainSuffix)
  })
  return { ...root, spec: { ...root.spec, http } }
}

/** A delegate's routes as the route says that delegates to it. */
export const mergeDelegate = (
  root: HttpRoute,
  rootNamespace: string,
  delegate: VirtualService,
  domainSuffix: string,
): readonly HttpRoute[] => {
  const { metadata, spec } = delegate
  const rootMatches = resolveMatches(root.match ?? [], rootNamespace)
  return (spec.http ?? []).flatMap((leaf, index) => {
    const match = mergeHttpMatches(rootMatches, resolveMatches(leaf.match ?? [], metadata.namespace))
    if (!match) return []
    const ownLeaf = resolveDestinations(leaf, metadata.namespace, domainSuffix)
    const ownRoot = resolveDestinations(root, rootNamespace, domainSuffix)
    return {
      ...mergeSettings(ownRoot, ownLeaf),
      ...mergeNames(root.name, leaf.name),
      match: [...match],
      writtenAt: toHttpRoutePlace(delegate, index),
    }
  })
}

/** Where the HTTP route of this index is written that a VirtualService holds. */
export const toHttpRoutePlace = ({ metadata, spec }: VirtualService, index: number): WrittenAt =>
  spec.http?.[index]?.writtenAt ?? {
    object: toObjectKey(virtualService.kind, metadata.namespace, metadata.name),
    path: `http[${index}]`,
  }

/** What a delegate's route takes over from the root's where it says nothing itself. */
const inherited = [
  'rewrite',
  'directResponse',
  'timeout',
  'retries',
  'fault',
  'mirror',
  'mirrorPercent',
  'mirror_percent',
  'mirrorPercentage',
  'mirrors',
  'corsPolicy',
  'headers',
] as const

const mergeSettings = (root: HttpRoute, leaf: HttpRoute): HttpRoute => ({
  ...leaf,
  ...Object.fromEntries(inherited.map((field) => [field, leaf[field] ?? root[field]])),
})

/** With full names of hosts: a short one means a service of the namespace that the route was written in. */
const resolveDestinations = (route: HttpRoute, namespace: string, domainSuffix: string): HttpRoute => {
  const resolve = (destination: Destination): Destination => ({
    ...destination,
    host: resolveHost(destination.host, namespace, domainSuffix),
  })
  return {
    ...route,
    ...(route.route && { route: route.route.map((each) => ({ ...each, destination: resolve(each.destination) })) }),
    ...(route.mirror && { mirror: resolve(route.mirror) }),
    ...(route.mirrors && {
      mirrors: route.mirrors.map((each) => ({ ...each, destination: resolve(each.destination) })),
    }),
  }
}
