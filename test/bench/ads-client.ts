import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { accessFilterNames } from '#xds/build/access-filters.ts'
import { secretNames } from '#xds/proxy.ts'
import { typeUrls } from '#xds/type-url.ts'
import { GrpcFrames, toGrpcFrame } from './grpc-frames.ts'
import { readShallowResponse, type ShallowResponse } from './shallow-response.ts'

export interface AdsClientOptions {
  /** host:port of the agent's xDS server */
  readonly address: string
  readonly rootPem: string
  readonly serverName: string
  readonly machineToken: string
  readonly nodeId: string
  /** Names of the route configurations that the proxy's listeners name. */
  readonly routes: readonly string[]
  onResponse(response: ShallowResponse, bytes: number): void
  onEnd(error: Error): void
}

const path = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'
/** Envoy's own default is 256 MiB (Http2ProtocolOptions.initial_stream_window_size). */
const windowBytes = 64 * 1024 * 1024

/**
 * Speaks delta ADS as one Envoy sidecar does: wildcard CDS and LDS, EDS for the clusters it got, ECDS for the filters that policies are in, RDS, VHDS, SDS; ACKs everything. On
 * bare HTTP/2: N of these share two cores with the server that they measure, and a gRPC library costs them more than it does the server.
 */
export class AdsClient {
  readonly #options: AdsClientOptions
  readonly #session: ClientHttp2Session
  readonly #stream: ClientHttp2Stream
  readonly #frames = new GrpcFrames()
  #virtualHostsAsked = false

  constructor(options: AdsClientOptions) {
    this.#options = options
    this.#session = connect(`https://${options.address}`, {
      ca: options.rootPem,
      servername: options.serverName,
      settings: { initialWindowSize: windowBytes, enablePush: false },
    })
    this.#session.on('error', (error) => options.onEnd(error))
    this.#session.on('connect', (session) => session.setLocalWindowSize(windowBytes))
    this.#stream = this.#session.request({
      ':method': 'POST',
      ':path': path,
      ':authority': options.serverName,
      'content-type': 'application/grpc',
      te: 'trailers',
      authorization: `Bearer ${options.machineToken}`,
    })
    this.#stream.on('data', (bytes: Buffer) => {
      for (const message of this.#frames.push(bytes)) this.#receive(message)
    })
    this.#stream.on('error', (error) => options.onEnd(error))
    this.#stream.on('trailers', (trailers) =>
      options.onEnd(new Error(`the server ended the stream: ${trailers['grpc-message'] ?? trailers['grpc-status']}`)),
    )
    this.#send(typeUrls.cluster, { subscribe: ['*'] })
    this.#send(typeUrls.listener, { subscribe: ['*'] })
    this.#send(typeUrls.secret, { subscribe: Object.values(secretNames) })
  }

  close(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL)
    this.#session.close()
  }

  #receive(bytes: Buffer): void {
    const response = readShallowResponse(bytes)
    this.#options.onResponse(response, bytes.length)
    this.#send(response.typeUrl, { nonce: response.nonce })
    if (response.typeUrl === typeUrls.cluster) {
      const withEndpoints = response.resources
        .map((resource) => resource.name)
        .filter((name) => name.startsWith('outbound'))
      if (withEndpoints.length > 0) this.#send(typeUrls.endpoint, { subscribe: withEndpoints })
    }
    if (response.typeUrl === typeUrls.listener) {
      this.#send(typeUrls.extensionConfig, { subscribe: Object.values(accessFilterNames) })
      this.#send(typeUrls.route, { subscribe: this.#options.routes })
    }
    if (response.typeUrl === typeUrls.route && !this.#virtualHostsAsked) {
      this.#virtualHostsAsked = true
      this.#send(typeUrls.virtualHost, {})
    }
  }

  #send(typeUrl: string, request: { readonly subscribe?: readonly string[]; readonly nonce?: string }): void {
    this.#stream.write(toGrpcFrame(writeRequest(this.#options.nodeId, typeUrl, request)))
  }
}

/** Field numbers: envoy/service/discovery/v3/discovery.proto, DeltaDiscoveryRequest (node 1, type_url 2, subscribe 3, nonce 6). */
const writeRequest = (
  nodeId: string,
  typeUrl: string,
  { subscribe = [], nonce }: { readonly subscribe?: readonly string[]; readonly nonce?: string },
): Uint8Array => {
  const writer = new BinaryWriter()
  writer.tag(1, WireType.LengthDelimited).fork()
  writer.tag(1, WireType.LengthDelimited).string(nodeId)
  writer.tag(2, WireType.LengthDelimited).string('bench').join()
  writer.tag(2, WireType.LengthDelimited).string(typeUrl)
  for (const name of subscribe) writer.tag(3, WireType.LengthDelimited).string(name)
  if (nonce !== undefined) writer.tag(6, WireType.LengthDelimited).string(nonce)
  return writer.finish()
}
