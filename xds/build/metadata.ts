import { create } from '@bufbuild/protobuf'
import { MetadataSchema, type Metadata } from '#envoy/envoy/config/core/v3/base_pb.ts'

/** Listeners and EnvoyClusters whose epoch differs are not the same to Envoy: it replaces their connections. */
export const buildEpochMetadata = (trustEpoch: number): { metadata?: Metadata } =>
  trustEpoch === 0 ? {} : { metadata: create(MetadataSchema, { filterMetadata: { atoll: { trustEpoch } } }) }

/** EnvoyClusters choose the transport socket of an endpoint by this metadata. */
const transportSocketMatch = 'envoy.transport_socket_match'
export const plaintextMark = { atollTls: 'none' }
export const plaintextMetadata = create(MetadataSchema, { filterMetadata: { [transportSocketMatch]: plaintextMark } })
