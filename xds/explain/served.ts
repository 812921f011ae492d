import { fromJson, type DescMessage, type JsonObject, type Message, type MessageShape } from '@bufbuild/protobuf'
import { anyUnpack, type Any } from '@bufbuild/protobuf/wkt'
import { ClusterSchema, type Cluster } from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import type { Metadata } from '#envoy/envoy/config/core/v3/base_pb.ts'
import { TypedExtensionConfigSchema } from '#envoy/envoy/config/core/v3/extension_pb.ts'
import { ClusterLoadAssignmentSchema, type ClusterLoadAssignment } from '#envoy/envoy/config/endpoint/v3/endpoint_pb.ts'
import { ListenerSchema, type Listener } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { VirtualHostSchema } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { RouteConfigurationSchema, type RouteConfiguration } from '#envoy/envoy/config/route/v3/route_pb.ts'
import type { ProxyPolicies } from '#mesh/security/proxy-policies.ts'
import { atollMetadata } from '#xds/build/metadata.ts'
import { knownTypes } from '#xds/known-types.ts'
import { readableTypes, toResourceJson } from '#xds/resource-json.ts'
import type { ResourceSet } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'

/** What of a route configuration chooses a virtual host. */
export type Routes = Pick<RouteConfiguration, 'virtualHosts' | 'ignorePortInHostMatching'>

/** All that one proxy is served, by name. */
export interface Served {
  readonly listeners: readonly Listener[]
  /** With the virtual hosts that are delivered one by one. */
  readonly routes: ReadonlyMap<string, Routes>
  readonly xdsClusters: ReadonlyMap<string, Cluster>
  readonly assignments: ReadonlyMap<string, ClusterLoadAssignment>
  /** Of filters that are in listeners by name alone. */
  readonly filters: ReadonlyMap<string, Any>
}

/** A proxy, and all that it is served. */
export interface ServedProxy {
  readonly name: string
  readonly served: Served
  /** Who says what its filters ask; absent = not known. */
  readonly policies?: ProxyPolicies | undefined
  /** Whether its address is none that anybody has. */
  readonly hasMadeUpAddress?: boolean
}

export const nothing: Served = {
  listeners: [],
  routes: new Map(),
  xdsClusters: new Map(),
  assignments: new Map(),
  filters: new Map(),
}

/** A resource in protobuf's JSON form, as `toResourceJson` makes it. */
export interface ResourceJson {
  readonly typeUrl: string
  readonly name: string
  readonly body: JsonObject
}

export const readServed = (resources: readonly ResourceJson[]): Served => {
  const read = <Desc extends DescMessage>(
    typeUrl: string,
    schema: Desc,
  ): { name: string; message: MessageShape<Desc> }[] =>
    resources
      .filter((resource) => resource.typeUrl === typeUrl)
      .map(({ name, body }) => ({ name, message: fromJson(schema, body, options) }))
  const byName = <Read extends Message>(all: readonly { readonly name: string; readonly message: Read }[]) =>
    new Map(all.map(({ name, message }) => [name, message]))
  const separate = read(typeUrls.virtualHost, VirtualHostSchema)
  return {
    listeners: read(typeUrls.listener, ListenerSchema).map(({ message }) => message),
    routes: new Map(
      read(typeUrls.route, RouteConfigurationSchema).map(({ name, message }) => {
        const own = separate.filter((each) => each.name.startsWith(`${name}/`)).map((each) => each.message)
        return [name, { ...message, virtualHosts: [...own, ...message.virtualHosts] }]
      }),
    ),
    xdsClusters: byName(read(typeUrls.cluster, ClusterSchema)),
    assignments: byName(read(typeUrls.endpoint, ClusterLoadAssignmentSchema)),
    filters: new Map(
      read(typeUrls.extensionConfig, TypedExtensionConfigSchema).flatMap(({ name, message: { typedConfig } }) =>
        typedConfig ? [[name, typedConfig]] : [],
      ),
    ),
  }
}

/** What the compiler's sets hold for one proxy. */
export const readSets = (sets: readonly ResourceSet[]): Served =>
  readServed(
    readableTypes.flatMap((typeUrl) =>
      sets.flatMap((set) =>
        [...set.all(typeUrl).values()].map((resource) => ({
          typeUrl,
          name: resource.name,
          body: toResourceJson(typeUrl, resource),
        })),
      ),
    ),
  )

/** A newer agent's resources may say what this reader does not know. */
const options = { registry: knownTypes, ignoreUnknownFields: true }

/** What is in an extension's configuration, if it is of this type. */
export const unpack = <Desc extends DescMessage>(any: Any | undefined, schema: Desc): MessageShape<Desc> | undefined =>
  any && anyUnpack(any, schema)

/** An object that decided, and the field in its spec. */
export interface Decider {
  readonly object: string
  readonly path?: string
}

/** The objects that a resource says it was decided by. */
export const toDeciders = (metadata: Metadata | undefined): readonly Decider[] => {
  const { object, path } = metadata?.filterMetadata[atollMetadata] ?? {}
  if (typeof object !== 'string') return []
  return object.split(',').map((each) => ({ object: each, ...(typeof path === 'string' && { path }) }))
}
