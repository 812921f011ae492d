import * as grpc from '@grpc/grpc-js'
import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf'
import {
  DeltaDiscoveryRequestSchema,
  DeltaDiscoveryResponseSchema,
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from '#envoy/envoy/service/discovery/v3/discovery_pb.ts'
import { HealthCheckRequestOrEndpointHealthResponseSchema } from '#envoy/envoy/service/health/v3/hds_pb.ts'
import { typeUrls, type TypeUrl } from '#xds/type-url.ts'

/** A response of either variant, as tests look at it. */
export interface Response {
  readonly typeUrl: string
  readonly nonce: string
  readonly version: string
  /** "name@version"; in state of the world the bodies' text, as there is no name outside of them. */
  readonly resources: readonly string[]
  readonly removed: readonly string[]
  readonly bytes: number
}

export interface TestProxyOptions {
  readonly address: string
  readonly rootPem: string
  readonly serverName: string
  readonly token: string | undefined
  readonly channel?: grpc.ChannelOptions
}

const service = '/envoy.service.discovery.v3.AggregatedDiscoveryService'
const healthMethod = '/envoy.service.health.v3.HealthDiscoveryService/StreamHealthCheck'
const patienceMilliseconds = 10_000

/** A client that says what a test tells it to, and nothing by itself. */
class TestProxy {
  readonly #client: grpc.Client
  protected readonly stream: grpc.ClientDuplexStream<Buffer, Buffer>
  readonly #responses: Response[] = []
  #wake = (): void => {}
  ended: { readonly code: number; readonly details: string } | undefined

  constructor(options: TestProxyOptions, method: string, decode: (bytes: Buffer) => Response) {
    this.#client = new grpc.Client(options.address, grpc.credentials.createSsl(Buffer.from(options.rootPem)), {
      'grpc.ssl_target_name_override': options.serverName,
      'grpc.default_authority': options.serverName,
      'grpc.use_local_subchannel_pool': 1,
      ...options.channel,
    })
    const metadata = new grpc.Metadata()
    if (options.token !== undefined) metadata.set('authorization', `Bearer ${options.token}`)
    const asIs = (bytes: Buffer): Buffer => bytes
    this.stream = this.#client.makeBidiStreamRequest(method, asIs, asIs, metadata)
    this.stream.on('data', (bytes: Buffer) => {
      this.#responses.push(decode(bytes))
      this.#wake()
    })
    this.stream.on('error', () => {})
    this.stream.on('status', ({ code, details }: grpc.StatusObject) => {
      this.ended = { code, details }
      this.#wake()
    })
  }

  /** The next response; throws when none comes in time or the stream ends. */
  async next(type: TypeUrl): Promise<Response> {
    const response = await this.#first()
    if (response.typeUrl !== type) throw new Error(`${response.typeUrl} came before ${type}`)
    return response
  }

  /** Responses that have come and were not asked for. */
  get unread(): readonly Response[] {
    return this.#responses
  }

  /** Those responses, taken from here. */
  takeUnread(): Response[] {
    return this.#responses.splice(0)
  }

  async untilEnded(): Promise<{ readonly code: number; readonly details: string }> {
    await this.#until('the end of the stream', () => this.ended !== undefined)
    return this.ended ?? { code: -1, details: '' }
  }

  /** Stops reading: what the server writes backs up. */
  pause(): void {
    this.stream.pause()
  }

  resume(): void {
    this.stream.resume()
  }

  close(): void {
    this.stream.cancel()
    this.#client.close()
  }

  async #first(): Promise<Response> {
    await this.#until('a response', () => this.#responses.length > 0 || this.ended !== undefined)
    const response = this.#responses.shift()
    if (!response) throw new Error(`the stream ended: ${this.ended?.details}`)
    return response
  }

  async #until(what: string, condition: () => boolean): Promise<void> {
    const deadline = Date.now() + patienceMilliseconds
    while (!condition()) {
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`no sign of ${what}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

export class DeltaTestProxy extends TestProxy {
  constructor(options: TestProxyOptions) {
    super(options, `${service}/DeltaAggregatedResources`, (bytes) => {
      const response = fromBinary(DeltaDiscoveryResponseSchema, bytes)
      return {
        typeUrl: response.typeUrl,
        nonce: response.nonce,
        version: response.systemVersionInfo,
        resources: response.resources.map(({ name, version }) => `${name}@${version}`),
        removed: response.removedResources,
        bytes: bytes.length,
      }
    })
  }

  send(type: TypeUrl, request: MessageInitShape<typeof DeltaDiscoveryRequestSchema> = {}): void {
    const message = create(DeltaDiscoveryRequestSchema, { ...request, typeUrl: type })
    this.stream.write(Buffer.from(toBinary(DeltaDiscoveryRequestSchema, message)))
  }

  subscribe(type: TypeUrl, ...names: readonly string[]): void {
    this.send(type, { resourceNamesSubscribe: [...names] })
  }

  ack({ typeUrl, nonce }: Response): void {
    this.send(typeUrl as TypeUrl, { responseNonce: nonce })
  }

  nack({ typeUrl, nonce }: Response, message = 'no'): void {
    this.send(typeUrl as TypeUrl, { responseNonce: nonce, errorDetail: { code: 13, message } })
  }

  /** When the server has taken in what was sent so far: it answers requests in order. */
  async untilHeard(): Promise<void> {
    this.subscribe(typeUrls.secret, 'nothing')
    await this.take(typeUrls.secret)
  }

  /** The next response of a type, taken. */
  async take(type: TypeUrl): Promise<Response> {
    const response = await this.next(type)
    this.ack(response)
    return response
  }
}

export class SotwTestProxy extends TestProxy {
  constructor(options: TestProxyOptions) {
    super(options, `${service}/StreamAggregatedResources`, (bytes) => {
      const response = fromBinary(DiscoveryResponseSchema, bytes)
      return {
        typeUrl: response.typeUrl,
        nonce: response.nonce,
        version: response.versionInfo,
        resources: response.resources.map(({ value }) => Buffer.from(value).toString()),
        removed: [],
        bytes: bytes.length,
      }
    })
  }

  send(type: TypeUrl, request: MessageInitShape<typeof DiscoveryRequestSchema>): void {
    const message = create(DiscoveryRequestSchema, { ...request, typeUrl: type })
    this.stream.write(Buffer.from(toBinary(DiscoveryRequestSchema, message)))
  }

  ack({ typeUrl, nonce, version }: Response, ...resourceNames: readonly string[]): void {
    this.send(typeUrl as TypeUrl, { responseNonce: nonce, versionInfo: version, resourceNames: [...resourceNames] })
  }

  nack({ typeUrl, nonce }: Response, message: string, ...resourceNames: readonly string[]): void {
    this.send(typeUrl as TypeUrl, {
      responseNonce: nonce,
      resourceNames: [...resourceNames],
      errorDetail: { code: 13, message },
    })
  }
}

/** One that tells of the health of its application. */
export class HealthTestProxy extends TestProxy {
  constructor(options: TestProxyOptions) {
    super(options, healthMethod, (bytes) => ({
      typeUrl: '',
      nonce: '',
      version: '',
      resources: [],
      removed: [],
      bytes: bytes.length,
    }))
  }

  report(): void {
    const requestType = { case: 'endpointHealthResponse', value: {} } as const
    const message = create(HealthCheckRequestOrEndpointHealthResponseSchema, { requestType })
    this.stream.write(Buffer.from(toBinary(HealthCheckRequestOrEndpointHealthResponseSchema, message)))
  }
}
