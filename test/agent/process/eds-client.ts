import * as grpc from '@grpc/grpc-js'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { ClusterLoadAssignmentSchema } from '#envoy/envoy/config/endpoint/v3/endpoint_pb.ts'
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
} from '#envoy/envoy/service/discovery/v3/discovery_pb.ts'
import { typeUrls } from '#xds/type-url.ts'

const method = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'

/**
 * A sidecar that takes clusters, endpoints and listeners, and secrets that it is told to ask for, remembers each cluster's endpoints, and
 * connects again when it is cut off.
 */
export class EdsClient {
  readonly #client: grpc.Client
  readonly #metadata = new grpc.Metadata()
  #stream: grpc.ClientDuplexStream<Buffer, Buffer>
  #assignments = new Map<string, string[]>()
  #known = new Set<string>()
  #secrets = new Set<string>()
  #retry: NodeJS.Timeout | undefined

  constructor(address: string, rootPem: string, serverName: string, token: string) {
    this.#client = new grpc.Client(address, grpc.credentials.createSsl(Buffer.from(rootPem)), {
      'grpc.ssl_target_name_override': serverName,
      'grpc.default_authority': serverName,
      'grpc.use_local_subchannel_pool': 1,
    })
    this.#metadata.set('authorization', `Bearer ${token}`)
    this.#stream = this.#open()
  }

  /** The addresses of the clusters whose name contains this, sorted. */
  addresses(host: string): string[] {
    const found = [...this.#assignments].filter(([name]) => name.includes(host)).flatMap(([, addresses]) => addresses)
    return [...new Set(found)].toSorted()
  }

  askSecrets(...names: string[]): void {
    send(this.#stream, typeUrls.secret, { resourceNamesSubscribe: names })
  }

  /** The names of the secrets that it was given, sorted. */
  secrets(): string[] {
    return [...this.#secrets].toSorted()
  }

  close(): void {
    clearTimeout(this.#retry)
    this.#stream.removeAllListeners('status')
    this.#stream.cancel()
    this.#client.close()
  }

  #open(): grpc.ClientDuplexStream<Buffer, Buffer> {
    const asIs = (bytes: Buffer): Buffer => bytes
    const stream = this.#client.makeBidiStreamRequest(method, asIs, asIs, this.#metadata)
    this.#assignments = new Map()
    this.#known = new Set()
    stream.on('data', (bytes: Buffer) => this.#receive(bytes))
    stream.on('error', () => {})
    stream.on('status', () => {
      this.#retry = setTimeout(() => {
        this.#stream = this.#open()
      }, 50)
    })
    for (const type of [typeUrls.cluster, typeUrls.listener]) send(stream, type, { resourceNamesSubscribe: ['*'] })
    return stream
  }

  #receive(bytes: Buffer): void {
    const { typeUrl, nonce, resources, removedResources } = fromBinary(DeltaDiscoveryResponseSchema, bytes)
    send(this.#stream, typeUrl, { responseNonce: nonce })
    if (typeUrl === typeUrls.endpoint) {
      for (const { name, resource } of resources) this.#assignments.set(name, toAddresses(resource?.value))
      for (const name of removedResources) this.#assignments.delete(name)
    } else if (typeUrl === typeUrls.secret) {
      for (const { name } of resources) this.#secrets.add(name)
    } else if (typeUrl === typeUrls.cluster) {
      for (const name of removedResources) this.#known.delete(name)
      const fresh = resources.map(({ name }) => name).filter((name) => !this.#known.has(name))
      for (const name of fresh) this.#known.add(name)
      if (fresh.length > 0) send(this.#stream, typeUrls.endpoint, { resourceNamesSubscribe: fresh })
    }
  }
}

const send = (
  stream: grpc.ClientDuplexStream<Buffer, Buffer>,
  typeUrl: string,
  request: { resourceNamesSubscribe?: string[]; responseNonce?: string },
): void => {
  const message = create(DeltaDiscoveryRequestSchema, { typeUrl, ...request })
  stream.write(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, message)))
}

const toAddresses = (body: Uint8Array | undefined): string[] =>
  fromBinary(ClusterLoadAssignmentSchema, body ?? new Uint8Array()).endpoints.flatMap(({ lbEndpoints }) =>
    lbEndpoints.flatMap(({ hostIdentifier }) => {
      const address = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined
      return address?.case === 'socketAddress' ? [address.value.address] : []
    }),
  )
