import { toProxyIdentity } from '#agent/ads/attachments.ts'
import type { Clock } from '#agent/clock.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import type { MeshViewStore } from '#mesh/mesh-view-store.ts'
import type { Proxy } from '#xds/proxy.ts'
import { findNamedCredentials, type NamedCredential } from './named-credentials.ts'

export interface CredentialDemandOptions {
  readonly view: Parameters<typeof findNamedCredentials>[0] & Pick<MeshViewStore, 'destinationRulesWithCredentials'>
  readonly clock: Pick<Clock, 'after'>
  /** Others are named than before, or for others. */
  readonly onNamed: () => void
}

/** Changes come in bursts, and a proxy's configuration before its certificates. */
const settleMilliseconds = 50

/** Which Secrets are of use: those that are named for the proxies that are connected. */
export class CredentialDemand {
  readonly #options: CredentialDemandOptions
  readonly #proxies = new Map<string, Proxy>()
  #namedFor: ReadonlyMap<Proxy, readonly NamedCredential[]> = new Map()
  #cancel: (() => void) | undefined

  constructor(options: CredentialDemandOptions) {
    this.#options = options
  }

  attach(proxy: Proxy): void {
    this.#proxies.set(toProxyIdentity(proxy), proxy)
    this.changed()
  }

  detach(proxy: Proxy): void {
    if (this.#proxies.delete(toProxyIdentity(proxy))) this.changed()
  }

  /** Others may be named now. Called as often as one likes. */
  changed(): void {
    this.#cancel ??= this.#options.clock.after(settleMilliseconds, () => {
      this.#cancel = undefined
      this.settle()
    })
  }

  /** Does at once what `changed` does in a moment. */
  settle(): void {
    const { view, onNamed } = this.#options
    const rules = view.destinationRulesWithCredentials()
    const namedFor = new Map(
      [...this.#proxies.values()].flatMap((proxy) => {
        const named = findNamedCredentials(view, rules, proxy)
        return named.length > 0 ? [[proxy, named] as const] : []
      }),
    )
    if (isEqualData([...namedFor], [...this.#namedFor])) return
    this.#namedFor = namedFor
    onNamed()
  }

  /** What is named for each proxy for which something is. */
  get namedFor(): ReadonlyMap<Proxy, readonly NamedCredential[]> {
    return this.#namedFor
  }

  /** For good. */
  stop(): void {
    this.#cancel?.()
    this.#cancel = () => {}
  }
}
