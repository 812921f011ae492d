import * as grpc from '@grpc/grpc-js'
import { create, toBinary } from '@bufbuild/protobuf'
import { DeltaDiscoveryRequestSchema } from '#envoy/envoy/service/discovery/v3/discovery_pb.ts'
import { typeUrls } from '#xds/type-url.ts'
import { secretNames } from '#xds/proxy.ts'
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

const method: grpc.MethodDefinition<Buffer, Buffer> = {
  path: '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
  requestStream: true,
  responseStream: true,
  requestSerialize: (bytes) => bytes,
  requestDeserialize: (bytes) => bytes,
  responseSerialize: (bytes) => bytes,
  responseDeserialize: (bytes) => bytes,
}

/** Speaks delta ADS as one Envoy sidecar does: wildcard CDS and LDS, EDS for the clusters it got, RDS, VHDS, SDS; ACKs everything. */
export class AdsClient {
  readonly #options: AdsClientOptions
  readonly #client: grpc.Client
  readonly #stream: grpc.ClientDuplexStream<Buffer, Buffer>
  #virtualHostsAsked = false

  constructor(options: AdsClientOptions) {
    this.#options = options
    this.#client = new grpc.Client(options.address, grpc.credentials.createSsl(Buffer.from(options.rootPem)), {
      'grpc.ssl_target_name_override': options.serverName,
      'grpc.default_authority': options.serverName,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      // Envoy's own default window is 256 MiB (Http2ProtocolOptions.initial_stream_window_size)
      'grpc-node.flow_control_window': 64 * 1024 * 1024,
    })
    const metadata = new grpc.Metadata()
    metadata.set('authorization', `Bearer ${options.machineToken}`)
    this.#stream = this.#client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      metadata,
    )
    this.#stream.on('data', (bytes: Buffer) => this.#receive(bytes))
    this.#stream.on('error', (error: Error) => options.onEnd(error))
    this.#stream.on('end', () => options.onEnd(new Error('the server ended the stream')))
    this.#send(typeUrls.cluster, { subscribe: ['*'] })
    this.#send(typeUrls.listener, { subscribe: ['*'] })
    this.#send(typeUrls.secret, { subscribe: Object.values(secretNames) })
  }

  close(): void {
    this.#stream.cancel()
    this.#client.close()
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
    if (response.typeUrl === typeUrls.listener) this.#send(typeUrls.route, { subscribe: this.#options.routes })
    if (response.typeUrl === typeUrls.route && !this.#virtualHostsAsked) {
      this.#virtualHostsAsked = true
      this.#send(typeUrls.virtualHost, {})
    }
  }

  #send(typeUrl: string, request: { subscribe?: readonly string[]; nonce?: string }): void {
    this.#stream.write(
      Buffer.from(
        toBinary(
          DeltaDiscoveryRequestSchema,
          create(DeltaDiscoveryRequestSchema, {
            node: { id: this.#options.nodeId, cluster: 'bench' },
            typeUrl,
            resourceNamesSubscribe: [...(request.subscribe ?? [])],
            responseNonce: request.nonce ?? '',
          }),
        ),
      ),
    )
  }
}
