import type { Clock } from '#agent/clock.ts'
import type { MeshViewStore } from '#mesh/mesh-view-store.ts'
import type { CompileProblem } from '#xds/incremental/unit.ts'
import { toProxyName, type Proxy } from '#xds/proxy.ts'
import { findCredentialProblems } from './credential-problems.ts'
import type { CredentialSource } from './credential-source.ts'
import { findNamedCredentials, type NamedCredential } from './named-credentials.ts'
import type { GatewayCredentials } from './gateway-credentials.ts'

export interface CredentialDemandOptions {
  readonly view: Parameters<typeof findNamedCredentials>[0] & Pick<MeshViewStore, 'destinationRules'>
  readonly credentials: Pick<GatewayCredentials, 'faultOf'>
  readonly source: CredentialSource | undefined
  readonly clock: Pick<Clock, 'after'>
  /** Other gateways are connected than before. */
  readonly onGateways: () => void
}

/** Changes come in bursts, and a proxy's configuration before its certificates. */
const settleMilliseconds = 50

/** Which Secrets are of use: those that are named for the gateways that are connected. Their source reads no others. */
export class CredentialDemand {
  readonly #options: CredentialDemandOptions
  readonly #gateways = new Map<string, Proxy>()
  #named: readonly NamedCredential[] = []
  #cancel: (() => void) | undefined

  constructor(options: CredentialDemandOptions) {
    this.#options = options
  }

  attach(proxy: Proxy): void {
    if (proxy.role !== 'gateway') return
    this.#gateways.set(toProxyName(proxy), proxy)
    this.#options.onGateways()
  }

  detach(proxy: Proxy): void {
    if (this.#gateways.delete(toProxyName(proxy))) this.#options.onGateways()
  }

  /** Others may be named now. Called as often as one likes. */
  changed(): void {
    this.#cancel ??= this.#options.clock.after(settleMilliseconds, () => {
      this.#cancel = undefined
      const { view, source } = this.#options
      this.#named = findNamedCredentials(view, view.destinationRules(), this.#gateways.values())
      source?.want?.(this.secrets)
    })
  }

  /** "<namespace>/<name>" of what is named. */
  get secrets(): ReadonlySet<string> {
    return new Set(this.#named.map(({ secret }) => secret))
  }

  /** Whether of something that is named nobody knows yet if it is there. */
  get isReading(): boolean {
    const { source } = this.#options
    return this.#named.some(({ secret }) => source?.isReading(secret.slice(0, secret.indexOf('/'))))
  }

  /** What is wrong with what is named, at the objects that name it. */
  problems(): readonly CompileProblem[] {
    return findCredentialProblems(this.#named, this.#options.credentials, this.#options.source)
  }

  stop(): void {
    this.#cancel?.()
  }
}
