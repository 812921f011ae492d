import { create } from '@bufbuild/protobuf'
import { MetadataSchema, type Metadata } from '#envoy/envoy/config/core/v3/base_pb.ts'

/** Listeners and EnvoyClusters whose epoch differs are not the same to Envoy: it replaces their connections. */
export const buildEpochMetadata = (trustEpoch: number): { metadata?: Metadata } =>
  trustEpoch === 0 ? {} : { metadata: create(MetadataSchema, { filterMetadata: { atoll: { trustEpoch } } }) }

/** EnvoyClusters choose the transport socket of an endpoint by this metadata. */
const transportSocketMatch = 'envoy.transport_socket_match'
export const transportMarks = { plaintext: { atollTls: 'none' }, external: { atollTls: 'external' } }
const toMetadata = (mark: { readonly atollTls: string }): Metadata =>
  create(MetadataSchema, { filterMetadata: { [transportSocketMatch]: mark } })
export const transportMetadata = {
  plaintext: toMetadata(transportMarks.plaintext),
  external: toMetadata(transportMarks.external),
}
