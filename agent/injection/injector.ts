import type { Clock } from '#agent/clock.ts'
import type { HostPort } from '#agent/config.ts'
import type { Leaf } from '#agent/identity/issue-leaf.ts'
import type { Log } from '#agent/log.ts'
import type { InjectionSettings } from '#mesh/injection/injection-settings.ts'
import type { ProxySettingsSource } from '#mesh/injection/proxy-layers.ts'
import { InjectionServer, type InjectionStatistics } from './injection-server.ts'
import { WebhookCertificate, type AuthorityStore } from './webhook-certificate.ts'

export interface InjectorOptions {
  readonly settings: InjectionSettings
  readonly proxySettings: ProxySettingsSource
  readonly store: AuthorityStore
  /** Puts the bundle into our MutatingWebhookConfiguration, where it says something else. Only the reporter does so. */
  readonly publish: (caBundlePem: string) => Promise<void>
  readonly isReporter: () => boolean
  readonly clock: Clock
  /** Milliseconds since some moment; never goes back. */
  readonly elapsed: () => number
  /** 0 to 1, 1 excluded. */
  readonly random: () => number
  readonly log: Log
}

/** How an injector is doing, for /metrics. */
export interface InjectorStatus extends InjectionStatistics {
  /** Whether API servers can be answered. */
  readonly ready: boolean
  /** End of its certificate, milliseconds since the epoch; undefined = it has none. */
  readonly certificateNotAfter: number | undefined
  /** Since the start: the certificate could not be kept, or API servers could not be told whom to believe. */
  readonly failures: Readonly<Record<MaintenanceStep, number>>
}

type MaintenanceStep = 'certificate' | 'publish'

const maintenanceMilliseconds = 60_000
const retryMilliseconds = 5000

/** The injector of one replica: its server, and the certificate that API servers know it by. */
export class Injector {
  readonly #options: InjectorOptions
  readonly #server: InjectionServer
  readonly #certificate: WebhookCertificate
  #leaf: Leaf | undefined
  #cancel = (): void => {}
  #isStopped = false
  readonly #failures: Record<MaintenanceStep, number> = { certificate: 0, publish: 0 }
  #maintenance: Promise<void> = Promise.resolve()

  constructor(options: InjectorOptions) {
    this.#options = options
    this.#server = new InjectionServer(options)
    this.#certificate = new WebhookCertificate(options)
  }

  /** Gives the port. A certificate comes when the API server can be reached: until then, no pod is reviewed here. */
  async start(address: HostPort): Promise<number> {
    const port = await this.#server.listen(address)
    await this.#maintain()
    return port
  }

  /** Another replica is the reporter now, or this one: API servers must not wait for the next round to know whom to believe. */
  electionChanged(): void {
    if (this.#options.isReporter()) void this.#maintain()
  }

  /** Whether API servers can be answered. */
  get ready(): boolean {
    return this.#leaf !== undefined
  }

  status(): InjectorStatus {
    return {
      ...this.#server.statistics(),
      ready: this.ready,
      certificateNotAfter: this.#leaf?.notAfter,
      failures: { ...this.#failures },
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel()
    await this.#server.close()
  }

  /** One round after the other. */
  #maintain(): Promise<void> {
    this.#maintenance = this.#maintenance.then(() => this.#maintainNow())
    return this.#maintenance
  }

  async #maintainNow(): Promise<void> {
    if (this.#isStopped) return
    this.#cancel()
    const { clock, isReporter, log, publish } = this.#options
    let delay = maintenanceMilliseconds
    let step: MaintenanceStep = 'certificate'
    try {
      await this.#certificate.maintain()
      const { leaf, caBundle } = this.#certificate
      if (leaf && leaf !== this.#leaf) this.#server.useCertificate(leaf)
      this.#leaf = leaf
      step = 'publish'
      if (isReporter()) await publish(caBundle)
    } catch (error) {
      delay = retryMilliseconds
      this.#failures[step] += 1
      log.warn({ err: error, step }, "could not maintain the injector's certificate")
    }
    if (!this.#isStopped) this.#cancel = clock.after(delay, () => void this.#maintain())
  }
}
