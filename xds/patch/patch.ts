import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import { ClusterSchema } from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import {
  FilterChainSchema,
  FilterSchema,
  ListenerFilterSchema,
} from '#envoy/envoy/config/listener/v3/listener_components_pb.ts'
import { ListenerSchema } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { RouteSchema, VirtualHostSchema } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { RouteConfigurationSchema } from '#envoy/envoy/config/route/v3/route_pb.ts'
import { HttpFilterSchema } from '#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts'
import type { ConfigPatch, PatchedPart } from '#mesh/config/envoy-filter.ts'

/** The type of what a patch puts in or merges, by what it patches. */
export const patchedTypes = {
  LISTENER: ListenerSchema,
  FILTER_CHAIN: FilterChainSchema,
  LISTENER_FILTER: ListenerFilterSchema,
  NETWORK_FILTER: FilterSchema,
  HTTP_FILTER: HttpFilterSchema,
  ROUTE_CONFIGURATION: RouteConfigurationSchema,
  VIRTUAL_HOST: VirtualHostSchema,
  HTTP_ROUTE: RouteSchema,
  CLUSTER: ClusterSchema,
} as const satisfies Record<PatchedPart, DescMessage>

type PatchedMessage<Part extends PatchedPart> = MessageShape<(typeof patchedTypes)[Part]>

/** One patch of an EnvoyFilter. */
export interface Patch<Part extends PatchedPart = PatchedPart> {
  /** The key of its object. */
  readonly object: string
  readonly part: Part
  readonly operation: ConfigPatch['patch']['operation']
  readonly match: ConfigPatch['match']
  /** Not to be changed: what is put in is a clone. Empty where it is to remove. */
  readonly value: PatchedMessage<Part>
}

/** Where in the mesh a proxy's resource is; EnvoyFilter.PatchContext. */
export type PatchContext = Exclude<ConfigPatch['match']['context'], 'ANY'>

export const ofPart = <Part extends PatchedPart>(patches: readonly Patch[], part: Part): readonly Patch<Part>[] =>
  patches.filter((patch): patch is Patch<Part> => patch.part === part)

export const ofContext = (patches: readonly Patch[], context: PatchContext): readonly Patch[] =>
  patches.filter(({ match }) => match.context === 'ANY' || match.context === context)
