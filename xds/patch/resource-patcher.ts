import { fromBinary } from '@bufbuild/protobuf'
import { TrafficDirection } from '#envoy/envoy/config/core/v3/base_pb.ts'
import { ClusterSchema } from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import { ListenerSchema } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { VirtualHostSchema } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { RouteConfigurationSchema } from '#envoy/envoy/config/route/v3/route_pb.ts'
import type { PatchedPart } from '#mesh/config/envoy-filter.ts'
import { encode } from '#xds/build/encode.ts'
import { healthListener, inboundPassthroughUpstream, scrapeListener } from '#xds/compile/resource-names.ts'
import type { ResourcePatcher, UnitResource } from '#xds/incremental/unit.ts'
import type { ProxyRole } from '#xds/proxy.ts'
import type { Fallback, LeftOut } from '#xds/resource-set.ts'
import { typeUrls, type TypeUrl } from '#xds/type-url.ts'
import { ofContext, ofPart, type Patch, type PatchContext } from './patch.ts'
import { patchCluster } from './patch-cluster.ts'
import { guardsAccess } from './guards-access.ts'
import { isAdded } from './patch-list.ts'
import { patchListener } from './patch-listener.ts'
import { patchRouteConfiguration, patchVirtualHost } from './patch-route-configuration.ts'

const routeParts: readonly PatchedPart[] = ['ROUTE_CONFIGURATION', 'VIRTUAL_HOST', 'HTTP_ROUTE']
const inListeners: readonly PatchedPart[] = [
  'LISTENER',
  'FILTER_CHAIN',
  'LISTENER_FILTER',
  'NETWORK_FILTER',
  'HTTP_FILTER',
]

/** What patches may change in resources of a type. Routes that are within listeners are of listeners. */
const partsByType: ReadonlyMap<TypeUrl, readonly PatchedPart[]> = new Map<TypeUrl, readonly PatchedPart[]>([
  [typeUrls.listener, [...inListeners, ...routeParts]],
  [typeUrls.route, routeParts],
  [typeUrls.virtualHost, routeParts],
  [typeUrls.cluster, ['CLUSTER']],
])

/** `added`: see `toAddedResources`. */
export const createResourcePatcher = (
  patches: readonly Patch[],
  role: ProxyRole,
  added: readonly UnitResource[] = [],
): ResourcePatcher => {
  const byType = new Map(
    [...partsByType].map(([type, parts]) => [type, patches.filter(({ part }) => parts.includes(part))]),
  )
  return {
    added,
    patch(unpatched) {
      const own = byType.get(unpatched.type) ?? []
      if (own.length === 0) return unpatched
      const patched = patchWith(unpatched, own, role, [])
      return patched?.resource.version === unpatched.resource.version ? unpatched : patched
    },
  }
}

/**
 * The patched resource. What the unpatched one falls back on is patched as well; where nobody knows what is at fault, EnvoyFilters may be, or
 * something else, or at last both. `left`: the EnvoyFilters that are left out already. `isTrial`: they, or something else.
 */
const patchWith = (
  unpatched: UnitResource,
  patches: readonly Patch[],
  role: ProxyRole,
  left: readonly LeftOut[],
  isTrial = left.length > 0,
): UnitResource | undefined => {
  const patched = applyPatches(unpatched, patches, role)
  if (!patched) return undefined
  const fallbacks = (reason: string): readonly Fallback[] => {
    const own = unpatched.resource.fallbacks?.(reason) ?? []
    const patchOwn = (isOnTrial: boolean) =>
      own.flatMap(({ resource, without }) => {
        const other = patchWith({ ...unpatched, resource }, patches, role, left, isOnTrial)
        return other ? [{ resource: other.resource, without: [...left, ...without] }] : []
      })
    if (own.some((each) => !each.isTrial)) return patchOwn(isTrial)
    if (isTrial) return []
    const last = own.at(-1)
    const both = last ? toFallbacks({ ...unpatched, resource: last.resource }, patches, role, reason).slice(-1) : []
    return [
      ...toFallbacks(unpatched, patches, role, reason),
      ...patchOwn(true),
      ...both.map(({ resource, without }) => ({ resource, without: [...(last?.without ?? []), ...without] })),
    ]
  }
  return { ...patched, resource: { ...patched.resource, fallbacks } }
}

/**
 * What to give a proxy that refuses the patched resource: it without one of the EnvoyFilters, each in turn, at last without all, but for those that
 * keep somebody out. Where those are refused there is nothing to give.
 */
const toFallbacks = (
  unpatched: UnitResource,
  patches: readonly Patch[],
  role: ProxyRole,
  reason: string,
): readonly Fallback[] => {
  const guarding = new Set(patches.filter(guardsAccess).map(({ object }) => object))
  const objects = [...new Set(patches.map(({ object }) => object))].filter((object) => !guarding.has(object))
  const leave = (names: readonly string[]): Fallback[] => {
    const without = names.map((object) => ({ object, reason }))
    const others = patches.filter(({ object }) => !names.includes(object))
    const patched = patchWith(unpatched, others, role, without)
    return patched ? [{ resource: patched.resource, without }] : []
  }
  if (objects.length === 0) return []
  return [
    ...(guarding.size + objects.length > 1 ? objects.flatMap((object) => leave([object])) : []),
    ...leave(objects),
  ]
}

const applyPatches = (
  unpatched: UnitResource,
  patches: readonly Patch[],
  role: ProxyRole,
): UnitResource | undefined => {
  const { type } = unpatched
  const { name, body } = unpatched.resource
  const outbound: PatchContext = role === 'sidecar' ? 'SIDECAR_OUTBOUND' : 'GATEWAY'
  const toContext = (isInbound: boolean): PatchContext =>
    role === 'sidecar' && isInbound ? 'SIDECAR_INBOUND' : outbound
  switch (type) {
    case typeUrls.listener: {
      if (name === healthListener || name === scrapeListener) return unpatched
      const listener = fromBinary(ListenerSchema, body)
      const own = ofContext(patches, toContext(listener.trafficDirection === TrafficDirection.INBOUND))
      return patchListener(listener, own) ? encode(type, ListenerSchema, name, { ...listener, name }) : undefined
    }
    case typeUrls.cluster: {
      const cluster = fromBinary(ClusterSchema, body)
      const own = ofContext(patches, toContext(isInboundUpstream(name)))
      return patchCluster(cluster, own) ? encode(type, ClusterSchema, name, { ...cluster, name }) : undefined
    }
    case typeUrls.route: {
      const routes = fromBinary(RouteConfigurationSchema, body)
      patchRouteConfiguration(routes, ofContext(patches, outbound))
      return encode(type, RouteConfigurationSchema, name, { ...routes, name })
    }
    case typeUrls.virtualHost: {
      const routes = name.slice(0, name.lastIndexOf('/'))
      const virtualHost = patchVirtualHost(routes, fromBinary(VirtualHostSchema, body), ofContext(patches, outbound))
      // By its name Envoy knows it again when it changes.
      return virtualHost && encode(type, VirtualHostSchema, name, { ...virtualHost, name })
    }
    default:
      return unpatched
  }
}

const isInboundUpstream = (name: string): boolean =>
  name.startsWith('inbound|') || name.startsWith('probe|') || name === inboundPassthroughUpstream

/** The listeners and EnvoyClusters that patches add. Istio: without a context, to what goes out. */
export const toAddedResources = (patches: readonly Patch[], role: ProxyRole): readonly UnitResource[] => {
  const contexts: readonly PatchContext[] = role === 'sidecar' ? ['SIDECAR_INBOUND', 'SIDECAR_OUTBOUND'] : ['GATEWAY']
  const isFor = ({ operation, match: { context } }: Patch): boolean =>
    isAdded(operation) && (context === 'ANY' || contexts.includes(context))
  return [
    ...ofPart(patches, 'LISTENER')
      .filter(isFor)
      .map(({ value }) => encode(typeUrls.listener, ListenerSchema, value.name, value)),
    ...ofPart(patches, 'CLUSTER')
      .filter(isFor)
      .map(({ value }) => encode(typeUrls.cluster, ClusterSchema, value.name, value)),
  ]
}
