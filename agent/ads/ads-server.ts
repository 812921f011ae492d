import * as grpc from '@grpc/grpc-js'
import { toAddressError } from '#agent/agent-error.ts'
import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import type { ProxyAuthenticator, ProxyGrant } from '#agent/proxy-auth/proxy-authenticator.ts'
import type { Node } from '#envoy/envoy/config/core/v3/base_pb.ts'
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '#envoy/envoy/service/discovery/v3/discovery_pb.ts'
import type { ProxyConfig, ProxyStatus } from '#mesh/uplink.ts'
import type { Proxy } from '#xds/proxy.ts'
import type { ResourceSet } from '#xds/resource-set.ts'
import type { TypeUrl } from '#xds/type-url.ts'
import type { HealthStream } from '#agent/machines/follow-health.ts'
import { adsService, healthService } from './ads-service.ts'
import { Attachments, type ProxySource } from './attachments.ts'
import { CallPlaces } from './call-places.ts'
import { DeliveryTracker } from './delivery-tracker.ts'
import { DeltaDialect } from './delta-dialect.ts'
import type { Dialect } from './dialect.ts'
import type { WireResponse } from './discovery-response.ts'
import { HealthStreams, type HealthCall } from './health-streams.ts'
import { bigWritePatienceMilliseconds, bigWrites, defaultLimits, type AdsLimits } from './limits.ts'
import { endCall, ProxyConnection, type ConnectionHost, type OutgoingCall } from './proxy-connection.ts'
import { toProxyConfig, toProxyStatus, type Reporter } from './proxy-report.ts'
import { emptyAnswer, toServiceDefinition, type ProxyMethod, type ProxyMethodCall } from './proxy-methods.ts'
import { Quarantine } from './quarantine.ts'
import { RefusalLog } from './refusal-log.ts'
import { StateOfTheWorldDialect } from './state-of-the-world-dialect.ts'
import { StreamError } from './stream-error.ts'
import { TrustTracker, type TrustMark } from './trust-tracker.ts'
import type { WireResource } from './wire-resource.ts'
import { WritePlaces } from './write-places.ts'

export interface AdsServerOptions {
  readonly source: ProxySource
  readonly authenticator: ProxyAuthenticator
  readonly certificates: grpc.experimental.CertificateProvider
  readonly clock: Clock
  readonly log: Log
  readonly reporter: Reporter
  /** Something that `delivery.summary()` tells may have changed. Called often. */
  readonly onDeliveryChange: () => void
  /** Something that `trust.summary()` tells may have changed. Called often. */
  readonly onTrustChange?: () => void
  /** Whether a proxy that has gone may still run; absent = nobody can tell, and it is taken for gone. */
  readonly mayRun?: (proxy: Proxy) => boolean
  /** A stream of this proxy has been let in; each is followed by one `onClosed`. */
  readonly onOpened?: (grant: ProxyGrant) => void
  readonly onClosed?: (grant: ProxyGrant) => void
  /** A proxy asks what to probe of its application. */
  readonly onHealthStream?: (grant: ProxyGrant, stream: HealthStream) => void
  /** Something else may be so of what `delivery.blamed()` tells. */
  readonly onBlame?: () => void
  /** What proxies may tell beside. */
  readonly methods?: readonly ProxyMethod[]
  /** Names of the proxies that run here, connected to this agent or not; undefined = nobody tells. */
  readonly startedProxies?: () => readonly string[] | undefined
  readonly limits?: Partial<AdsLimits>
}

/** Counters since the start, for /metrics. */
export interface AdsStatistics {
  readonly openStreams: number
  readonly responses: number
  readonly responseBytes: number
  readonly nacks: number
  readonly refusedStreams: number
}

/** What both variants' requests have in common. */
interface ClientRequest {
  readonly node?: Node | undefined
}

type IncomingCall = Pick<AdsCall<unknown>, 'metadata' | 'getPeer' | 'emit'>

type AdsCall<Request> = grpc.ServerDuplexStream<Request, WireResponse>

const housekeepingMilliseconds = 30_000
/** What is on its way when proxies are to connect anew may still arrive. */
const reconnectMilliseconds = 1000

/** The agent's xDS server: AggregatedDiscoveryService, delta and state of the world, over TLS. */
export class AdsServer implements ConnectionHost {
  readonly clock: Clock
  readonly limits: AdsLimits
  readonly log: Log
  readonly quarantine: Quarantine
  readonly delivery: DeliveryTracker
  readonly trust: TrustTracker
  readonly bigWrites: WritePlaces
  tick = 0
  readonly #options: AdsServerOptions
  readonly #server: grpc.Server
  readonly #attachments: Attachments
  readonly #refusals: RefusalLog
  /** In order of connecting. */
  readonly #connections = new Set<ProxyConnection>()
  readonly #health: HealthStreams
  readonly #callPlaces: CallPlaces
  readonly #quickPlaces: CallPlaces
  /** Calls that are not refused: connections, and those that are about to be. */
  #calls = 0
  /** … and those of streams of health. */
  #healthCalls = 0
  #isClosing = false
  #boundTo: string | undefined
  #cancelHousekeeping = (): void => {}
  #responses = 0
  #responseBytes = 0
  #nacks = 0
  #refusedStreams = 0

  constructor(options: AdsServerOptions) {
    this.#options = options
    this.clock = options.clock
    this.limits = { ...defaultLimits, ...options.limits }
    this.log = options.log
    this.quarantine = new Quarantine(options.onBlame)
    this.delivery = new DeliveryTracker(options.onDeliveryChange, options.startedProxies)
    this.trust = new TrustTracker({
      clock: this.clock,
      onChange: () => options.onTrustChange?.(),
      mayRun: (proxy) => options.mayRun?.(proxy) ?? false,
    })
    this.bigWrites = new WritePlaces(this.clock, bigWrites, bigWritePatienceMilliseconds)
    this.#refusals = new RefusalLog(this.clock, this.log)
    this.#attachments = new Attachments(options.source)
    this.#health = new HealthStreams(this.limits.streamsPerProxy)
    this.#callPlaces = new CallPlaces(this.limits.calls)
    this.#quickPlaces = new CallPlaces(this.limits.quickCalls)
    this.#server = new grpc.Server({
      'grpc.max_receive_message_length': this.limits.requestBytes,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': 16,
      'grpc.max_connection_idle_ms': 300_000,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.enable_channelz': 0,
    })
    this.#server.addService(adsService, {
      deltaAggregatedResources: (call: AdsCall<DeltaDiscoveryRequest>) => void this.#serve(call, new DeltaDialect()),
      streamAggregatedResources: (call: AdsCall<DiscoveryRequest>) =>
        void this.#serve(call, new StateOfTheWorldDialect()),
    })
    this.#server.addService(healthService, {
      streamHealthCheck: (call: HealthCall) => void this.#serveHealth(call),
    })
    const methods = options.methods ?? []
    // gRPC refuses a service without methods.
    if (methods.length === 0) return
    this.#server.addService(
      toServiceDefinition(methods),
      Object.fromEntries(
        methods.map((method) => [
          method.path,
          (call: ProxyMethodCall, answer: grpc.sendUnaryData<Buffer>) => void this.#receive(method, call, answer),
        ]),
      ),
    )
  }

  /** Returns the port. @throws {AgentError} when the address can't be had */
  async listen(address: { readonly host: string; readonly port: number }): Promise<number> {
    const host = address.host.includes(':') ? `[${address.host}]` : address.host
    // A provider of certificates, unlike a certificate, may hand out another one later; connections stay.
    const credentials = grpc.experimental.createCertificateProviderServerCredentials(
      this.#options.certificates,
      null,
      false,
    )
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(`${host}:${address.port}`, credentials, (error, bound) =>
        error ? reject(error) : resolve(bound),
      )
    }).catch((error: unknown) => {
      throw toAddressError(address, error)
    })
    this.#boundTo = `${host}:${port}`
    this.#keepHouse()
    return port
  }

  get revision(): number {
    return this.delivery.revision
  }

  get connections(): ReadonlySet<ProxyConnection> {
    return this.#connections
  }

  statistics(): AdsStatistics {
    return {
      openStreams: this.#connections.size,
      responses: this.#responses,
      responseBytes: this.#responseBytes,
      nacks: this.#nacks,
      refusedStreams: this.#refusedStreams,
    }
  }

  /** The connected proxies; of a proxy with several streams the newest. */
  proxies(): ProxyStatus[] {
    const newest = new Map([...this.#connections].map((connection) => [connection.name, connection]))
    return [...newest.values()].map((connection) => toProxyStatus(connection, this.delivery, this.#options.reporter))
  }

  /** All that a proxy has been given, secrets redacted; undefined when it is not connected here. */
  proxyConfig(name: string): ProxyConfig | undefined {
    const connection = [...this.#connections].findLast((each) => each.name === name)
    const { reporter, source } = this.#options
    return connection && toProxyConfig(connection, this.delivery, reporter, source.policiesOf?.(connection.grant.proxy))
  }

  /** The compiler has brought the sets to this revision: pushes what changed, and follows its delivery. */
  compiled(revision: number): void {
    this.push()
    this.delivery.compiled(revision, this.tick)
  }

  /** Sets have changed: pushes at once to every proxy that is not busy. */
  push(): void {
    this.tick++
    for (const connection of this.#connections) connection.push()
  }

  /** The secrets are made of this now: pushes them, and follows who holds them. */
  pushTrust(mark: TrustMark): void {
    this.push()
    this.trust.mark(mark, this.tick)
  }

  /** Since when the connected proxies are: of a proxy with several streams the newest. */
  connectedSince(): ReadonlyMap<string, number> {
    return new Map([...this.#connections].map(({ name, connectedAt }) => [name, connectedAt]))
  }

  /** Has all proxies connect anew, with what they have. */
  reconnect(): void {
    if (this.#boundTo !== undefined) this.#server.drain(this.#boundTo, reconnectMilliseconds)
  }

  /** Ends the streams whose credentials do not hold any more. */
  revalidate(): void {
    const { authenticator } = this.#options
    const error = new StreamError('unauthenticated', 'the credential is revoked or expired')
    for (const connection of this.#connections) if (!authenticator.isValid(connection.grant)) connection.end(error)
    this.#health.end((grant) => !authenticator.isValid(grant), error)
  }

  /** Takes no new streams, ends the open ones (GOAWAY), and is done after the grace at the latest. */
  async close(graceMilliseconds: number): Promise<void> {
    this.#isClosing = true
    this.#cancelHousekeeping()
    const error = new StreamError('unavailable', 'the agent is shutting down')
    for (const connection of this.#connections) connection.end(error)
    this.#health.end(() => true, error)
    if (this.#boundTo !== undefined) this.#server.drain(this.#boundTo, graceMilliseconds)
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()))
  }

  // ── ConnectionHost ───────────────────────────────────────────────────────────────────────────────────────────────

  onProgress({ stream }: ProxyConnection): void {
    this.delivery.update(stream)
    this.trust.update(stream)
  }

  onResponse(bytes: number): void {
    this.#responses++
    this.#responseBytes += bytes
  }

  onReleased(resources: readonly WireResource[]): void {
    for (const { stream } of this.#connections) for (const resource of resources) stream.revisit(resource)
    this.push()
  }

  onRefused(refused: { readonly type: TypeUrl; readonly name: string; readonly reason: string }): void {
    this.#nacks++
    this.log.warn(refused, 'a proxy refused a resource')
    this.delivery.refused()
  }

  // ── streams ──────────────────────────────────────────────────────────────────────────────────────────────────────

  async #serve<Request extends ClientRequest>(call: AdsCall<Request>, dialect: Dialect<Request>): Promise<void> {
    if (this.#isClosing) return this.#refuse(call, new StreamError('unavailable', 'the agent is shutting down'))
    if (this.#calls >= this.limits.streams) return this.#refuse(call, this.#toTooMany())
    this.#calls++
    const closed = new Promise<void>((resolve) => call.once('cancelled', () => resolve()))
    call.once('end', () => call.end())
    try {
      const grant = await this.#authenticate(call)
      if (grant) await this.#connect(call, dialect, grant, closed)
    } catch (error) {
      this.log.error({ err: error }, 'could not open a stream')
      this.#refuse(call, new StreamError('unavailable', 'the configuration of this proxy is not available'))
    } finally {
      this.#calls--
    }
  }

  async #serveHealth(call: HealthCall): Promise<void> {
    if (this.#isClosing) return this.#refuse(call, new StreamError('unavailable', 'the agent is shutting down'))
    if (this.#healthCalls >= this.limits.streams) return this.#refuse(call, this.#toTooMany())
    this.#healthCalls++
    const closed = new Promise<void>((resolve) => call.once('cancelled', () => resolve()))
    call.once('end', () => call.end())
    try {
      const grant = await this.#authenticate(call)
      if (!grant || call.cancelled) return
      this.#health.add(call, grant)
      this.#options.onHealthStream?.(grant, call)
      await closed
    } catch (error) {
      this.log.error({ err: error }, 'could not open a stream of health')
      this.#refuse(call, new StreamError('unavailable', 'the health of this proxy is not followed'))
    } finally {
      this.#health.delete(call)
      this.#healthCalls--
    }
  }

  async #receive(method: ProxyMethod, call: ProxyMethodCall, answer: grpc.sendUnaryData<Buffer>): Promise<void> {
    const [authorization = ''] = call.metadata.get('authorization')
    const places = method.isQuick ? this.#quickPlaces : this.#callPlaces
    const giveBack = places.take(authorization.toString(), call.request.length)
    // Which a proxy tries again.
    if (!giveBack) return answer({ code: grpc.status.UNAVAILABLE, details: 'too many calls at once' })
    try {
      const grant = await this.#findGrant(call)
      if (!grant) return answer({ code: grpc.status.UNAUTHENTICATED, details: 'no valid credential' })
      answer(null, method.receive(grant, call.request) ?? emptyAnswer)
    } catch (error) {
      this.#refusals.notUnderstood(call.getPeer(), method.path, error)
      answer({ code: grpc.status.INVALID_ARGUMENT, details: 'not understood' })
    } finally {
      giveBack()
    }
  }

  #toTooMany(): StreamError {
    return new StreamError('resource_exhausted', `this agent serves ${this.limits.streams} streams at most`)
  }

  async #authenticate(call: IncomingCall): Promise<ProxyGrant | undefined> {
    const grant = await this.#findGrant(call)
    if (!grant) this.#refuse(call, new StreamError('unauthenticated', 'no valid credential'))
    return grant
  }

  async #findGrant(call: Pick<IncomingCall, 'metadata' | 'getPeer'>): Promise<ProxyGrant | undefined> {
    const [authorization] = call.metadata.get('authorization')
    const grant = await this.#options.authenticator.authenticate(authorization?.toString(), call.getPeer())
    if (grant.ok) return grant.value
    this.#refusals.refused(call.getPeer(), grant.error)
    return undefined
  }

  async #connect<Request extends ClientRequest>(
    call: AdsCall<Request>,
    dialect: Dialect<Request>,
    grant: ProxyGrant,
    closed: Promise<void>,
  ): Promise<void> {
    this.#options.onOpened?.(grant)
    try {
      const attachment = await this.#attachments.acquire(grant.proxy)
      if (call.cancelled) return
      const connectedAt = this.clock.now()
      const connection = new ProxyConnection(this, call, { grant, attachment, encoder: dialect, connectedAt })
      this.#makeRoom(connection.identity)
      this.#connections.add(connection)
      this.delivery.add(connection.name, connection.stream)
      this.trust.add(grant.proxy, connection.stream)
      this.log.info({ proxy: connection.name, peer: call.getPeer() }, 'a proxy connected')
      call.on('data', (request: Request) =>
        connection.receive(request.node, () => dialect.apply(request, connection.stream)),
      )
      await closed
      this.#disconnect(connection)
    } finally {
      this.#options.onClosed?.(grant)
      this.#attachments.release(grant.proxy)
    }
  }

  #disconnect(connection: ProxyConnection): void {
    connection.stream.close()
    this.#connections.delete(connection)
    if (!this.#connectionsOf(connection.identity).length) connection.stream.resources.forgetRejections()
    this.delivery.remove(connection.name, connection.stream)
    this.trust.remove(connection.stream)
    this.log.info({ proxy: connection.name }, 'a proxy disconnected')
  }

  #connectionsOf(identity: string): ProxyConnection[] {
    return [...this.#connections].filter((connection) => connection.identity === identity)
  }

  #makeRoom(identity: string): void {
    const older = this.#connectionsOf(identity)
    for (const connection of older.slice(0, Math.max(0, older.length + 1 - this.limits.streamsPerProxy)))
      connection.end(new StreamError('aborted', 'replaced by a newer stream of the same proxy'))
  }

  #refuse(call: Pick<OutgoingCall, 'emit'>, error: StreamError): void {
    this.#refusedStreams++
    endCall(call, error)
  }

  #keepHouse(): void {
    this.#cancelHousekeeping = this.clock.after(housekeepingMilliseconds, () => {
      this.revalidate()
      this.#forgetTombstones()
      this.#keepHouse()
    })
  }

  /** Removals that every subscriber has been told of. */
  #forgetTombstones(): void {
    const served = new Map<ResourceSet, number>()
    for (const { stream } of this.#connections)
      for (const set of stream.resources.sets)
        for (const subscription of stream.subscriptions.values())
          served.set(set, Math.min(served.get(set) ?? Infinity, subscription.servedGeneration(set)))
    for (const [set, generation] of served) set.forgetBefore(generation)
  }
}
