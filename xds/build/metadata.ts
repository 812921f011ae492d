import { create } from '@bufbuild/protobuf'
import { MetadataSchema, type Metadata } from '#envoy/envoy/config/core/v3/base_pb.ts'
import { verifiedByMesh } from '#mesh/telemetry/party.ts'
import type { CalledService } from '#xds/model/called-service.ts'

/** Where metadata of our own are. */
export const atollMetadata = 'atoll'

/** Envoy's operator for what an EnvoyCluster says of the service that it leads to; a virtual host says it where a route leads to none. */
export const toServiceOperator = (field: keyof CalledService, of: 'CLUSTER' | 'VIRTUAL_HOST' = 'CLUSTER'): string =>
  `%METADATA(${of}:${atollMetadata}:${field})%`
export const upstreamServiceOperator = toServiceOperator('service')

/** How many east-west gateways are on the way to the endpoint that is called; absent = none. */
export const gatewayHopsOperator = `%METADATA(UPSTREAM_HOST:${atollMetadata}:hops)%`
export const gatewayMetadata = create(MetadataSchema, { filterMetadata: { [atollMetadata]: { hops: '1' } } })

/** How an EnvoyCluster whose servers are verified as the mesh's says so, before their names. */
export const peerMarkOperator = `%METADATA(CLUSTER:${atollMetadata}:peers)%`

export interface Marks {
  /** Whether the mesh's authorities alone say who a server is. */
  readonly verifiesMesh?: boolean
  /** Listeners and EnvoyClusters whose epoch differs are not the same to Envoy: it replaces their connections. 0 leaves no mark. */
  readonly trustEpoch?: number
  readonly called?: CalledService | undefined
  /** The key of the object that decided on the resource, of several joined by ",". */
  readonly object?: string | undefined
  /** The field in that object's spec. */
  readonly path?: string
}

export const buildMetadata = ({
  trustEpoch = 0,
  called,
  object,
  path,
  verifiesMesh = false,
}: Marks): { metadata?: Metadata } => {
  const fields = {
    ...(trustEpoch !== 0 && { trustEpoch }),
    ...(verifiesMesh && { peers: verifiedByMesh }),
    ...called,
    // As a number Envoy would write it as 80.0.
    ...(called?.port !== undefined && { port: String(called.port) }),
    ...(object !== undefined && { object }),
    ...(path !== undefined && { path }),
  }
  return Object.keys(fields).length === 0
    ? {}
    : { metadata: create(MetadataSchema, { filterMetadata: { [atollMetadata]: fields } }) }
}

/** EnvoyClusters choose the transport socket of an endpoint by this metadata. */
export const transportSocketMatch = 'envoy.transport_socket_match'
export const transportMarks = { plaintext: { atollTls: 'none' }, external: { atollTls: 'external' } }
const toMetadata = (mark: { readonly atollTls: string }): Metadata =>
  create(MetadataSchema, { filterMetadata: { [transportSocketMatch]: mark } })
export const transportMetadata = {
  plaintext: toMetadata(transportMarks.plaintext),
  external: toMetadata(transportMarks.external),
}
