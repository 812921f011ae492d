import { fromBinary, toJson, type DescMessage, type JsonObject } from '@bufbuild/protobuf'
import { ClusterSchema } from '#envoy/envoy/config/cluster/v3/cluster_pb.ts'
import { ClusterLoadAssignmentSchema } from '#envoy/envoy/config/endpoint/v3/endpoint_pb.ts'
import { TypedExtensionConfigSchema } from '#envoy/envoy/config/core/v3/extension_pb.ts'
import { ListenerSchema } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { VirtualHostSchema } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import { RouteConfigurationSchema } from '#envoy/envoy/config/route/v3/route_pb.ts'
import { knownTypes } from './known-types.ts'
import type { EncodedResource } from './resource-set.ts'
import { typeUrls, type TypeUrl } from './type-url.ts'

/** Secrets are not among them: nobody is to read those. */
const readable: ReadonlyMap<TypeUrl, DescMessage> = new Map<TypeUrl, DescMessage>([
  [typeUrls.listener, ListenerSchema],
  [typeUrls.route, RouteConfigurationSchema],
  [typeUrls.virtualHost, VirtualHostSchema],
  [typeUrls.cluster, ClusterSchema],
  [typeUrls.endpoint, ClusterLoadAssignmentSchema],
  [typeUrls.extensionConfig, TypedExtensionConfigSchema],
])

/** The types that `toResourceJson` can show. */
export const readableTypes: readonly TypeUrl[] = [...readable.keys()]

/** A resource for people to read, in protobuf's JSON form with the names of the .proto files. Throws for a secret. */
export const toResourceJson = (type: TypeUrl, { body }: Pick<EncodedResource, 'body'>): JsonObject => {
  const schema = readable.get(type)
  if (schema === undefined) throw new Error(`${type} is not for reading`)
  return toJson(schema, fromBinary(schema, body), { registry: knownTypes, useProtoFieldName: true }) as JsonObject
}
