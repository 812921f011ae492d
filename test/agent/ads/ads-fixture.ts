import { createHash } from 'node:crypto'
import * as grpc from '@grpc/grpc-js'
import { AdsServer } from '#agent/ads/ads-server.ts'
import { lingerMilliseconds, type AdsLimits } from '#agent/ads/limits.ts'
import { systemClock } from '#agent/clock.ts'
import { toAgentNames } from '#agent/identity/issue-leaf.ts'
import { ServerCertificate } from '#agent/identity/server-certificate.ts'
import { createLog } from '#agent/log.ts'
import { MachineTokenAuthenticator } from '#agent/proxy-auth/machine-token-authenticator.ts'
import { toAgentDnsName } from '#mesh/identity.ts'
import type { MachineToken } from '#mesh/state.ts'
import type { CompileProblem } from '#xds/incremental/unit.ts'
import { toProxyName } from '#xds/proxy.ts'
import { ResourceSet, type ResourceUpdate } from '#xds/resource-set.ts'
import type { TypeUrl } from '#xds/type-url.ts'
import { eventually } from '../../harness/child.ts'
import { createIntermediate, domain, east, TestRoot } from '../test-pki.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { DeltaTestProxy, HealthTestProxy, SotwTestProxy, type TestProxyOptions } from './test-proxy.ts'

/** A resource whose body is its own description: the server does not look into bodies. */
export const put = (type: TypeUrl, name: string, version = '1', bytes = 0): ResourceUpdate => ({
  type,
  name,
  resource: { name, version, body: Buffer.from(`${name}@${version}`.padEnd(bytes)) },
})

export const remove = (type: TypeUrl, name: string): ResourceUpdate => ({ type, name, resource: null })

const tellPath = '/test.Told/Tell'

interface TestAttachment {
  sets: ResourceSet[]
  blockedBy?: CompileProblem | undefined
}

/** An xDS server over TLS whose proxies share one set; others get more with `give`. */
export class AdsFixture {
  readonly shared = new ResourceSet('shared')
  readonly clock = new VirtualClock()
  readonly tokens = new Map<string, MachineToken>()
  readonly attached: string[] = []
  failAttach = false
  /** Names of the proxies that are said to run. */
  started: readonly string[] | undefined
  readonly #attachments = new Map<string, TestAttachment>()
  /** How often each proxy has reported health. */
  readonly reports = new Map<string, number>()
  /** What proxies have told. */
  readonly told: string[] = []
  readonly #clients: (DeltaTestProxy | HealthTestProxy | SotwTestProxy)[] = []
  readonly #rootPem: string
  readonly server: AdsServer
  port = 0

  private constructor(rootPem: string, certificates: ServerCertificate, limits: Partial<AdsLimits>) {
    this.#rootPem = rootPem
    this.server = new AdsServer({
      source: {
        attach: async (proxy) => {
          if (this.failAttach) throw new Error('no configuration')
          this.attached.push(toProxyName(proxy))
          return this.attachment(proxy.workload)
        },
        detach: (proxy) => {
          const index = this.attached.indexOf(toProxyName(proxy))
          if (index >= 0) this.attached.splice(index, 1)
        },
      },
      authenticator: new MachineTokenAuthenticator({ machineToken: (id) => this.tokens.get(id) }, () => Date.now()),
      certificates,
      clock: this.clock,
      log: createLog('silent'),
      reporter: { cluster: east, replica: 'r1' },
      onDeliveryChange: () => {},
      onHealthStream: ({ proxy: { workload } }, stream) =>
        stream.on('data', () => this.reports.set(workload, (this.reports.get(workload) ?? 0) + 1)),
      startedProxies: () => this.started,
      methods: [{ path: tellPath, receive: (_, message) => void this.told.push(message.toString()) }],
      limits,
    })
  }

  static async start(limits: Partial<AdsLimits> = {}): Promise<AdsFixture> {
    const root = await TestRoot.create(Date.now())
    const intermediate = await createIntermediate(root, east)
    const certificates = new ServerCertificate({
      names: toAgentNames(east, domain),
      clock: systemClock,
      random: Math.random,
      issuer: () => intermediate,
    })
    await certificates.renewIfDue()
    const fixture = new AdsFixture(root.pem, certificates, limits)
    fixture.port = await fixture.server.listen({ host: '127.0.0.1', port: 0 })
    return fixture
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close()
    await this.server.close(1000)
  }

  /** What a workload's proxy is attached to; its sets may be replaced. */
  attachment(workload: string): TestAttachment {
    let attachment = this.#attachments.get(workload)
    if (!attachment) this.#attachments.set(workload, (attachment = { sets: [this.shared] }))
    return attachment
  }

  /** Changes the shared set and pushes. */
  change(...updates: readonly ResourceUpdate[]): void {
    this.shared.apply(updates)
    this.server.push()
  }

  until(condition: () => boolean): Promise<true> {
    return eventually('the condition', condition, 10_000, 10)
  }

  /** Time passes until something comes to a proxy: what lingers is let go. */
  untilLingered(proxy: DeltaTestProxy | SotwTestProxy): Promise<true> {
    return this.until(() => {
      this.clock.advance(lingerMilliseconds)
      return proxy.unread.length > 0
    })
  }

  /** When a figure has stopped moving. */
  async settled(figure: () => number): Promise<void> {
    let last = Number.NaN
    let same = 0
    await this.until(() => {
      const now = figure()
      same = now === last ? same + 1 : 0
      last = now
      return same >= 20
    })
  }

  token(workload: string, serviceAccount = 'default'): string {
    const id = createHash('sha256').update(`${workload} ${serviceAccount}`).digest('hex').slice(0, 16)
    const secret = `secret-of-${workload}-that-is-long-enough`
    this.tokens.set(id, {
      id,
      secretHash: createHash('sha256').update(secret).digest('hex'),
      role: 'sidecar',
      namespace: 'default',
      serviceAccount,
      workload,
      expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    })
    return `atoll_machine_${id}_${secret}`
  }

  revoke(workload: string): void {
    for (const [id, record] of this.tokens) if (record.workload === workload) this.tokens.delete(id)
  }

  delta(workload = 'w', options: Partial<TestProxyOptions> = {}): DeltaTestProxy {
    const client = new DeltaTestProxy({ ...this.#toOptions(workload), ...options })
    this.#clients.push(client)
    return client
  }

  health(workload = 'w'): HealthTestProxy {
    const client = new HealthTestProxy(this.#toOptions(workload))
    this.#clients.push(client)
    return client
  }

  sotw(workload = 'w'): SotwTestProxy {
    const client = new SotwTestProxy(this.#toOptions(workload))
    this.#clients.push(client)
    return client
  }

  /** A unary call; the status of its answer. */
  async tell(message: string, workload = 'w'): Promise<grpc.status> {
    const { address, rootPem, serverName, token = '' } = this.#toOptions(workload)
    const client = new grpc.Client(address, grpc.credentials.createSsl(Buffer.from(rootPem)), {
      'grpc.ssl_target_name_override': serverName,
      'grpc.default_authority': serverName,
      'grpc.use_local_subchannel_pool': 1,
    })
    const metadata = new grpc.Metadata()
    metadata.set('authorization', `Bearer ${token}`)
    const asIs = (bytes: Buffer): Buffer => bytes
    const code = await new Promise<grpc.status>((resolve) =>
      client.makeUnaryRequest(tellPath, asIs, asIs, Buffer.from(message), metadata, (error) =>
        resolve(error?.code ?? grpc.status.OK),
      ),
    )
    client.close()
    return code
  }

  #toOptions(workload: string): TestProxyOptions {
    return {
      address: `127.0.0.1:${this.port}`,
      rootPem: this.#rootPem,
      serverName: toAgentDnsName(east, domain),
      token: this.token(workload),
    }
  }
}
