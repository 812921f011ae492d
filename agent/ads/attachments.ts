import type { ProxyPolicies } from '#mesh/security/proxy-policies.ts'
import { toProxyName, type Proxy } from '#xds/proxy.ts'
import type { Attachment } from './proxy-resources.ts'

/** Where a proxy's resources come from: the compiler and the workload identities. */
export interface ProxySource {
  /** The sets of a proxy, filled. They are kept up to date until `detach`. */
  attach(proxy: Proxy): Promise<Attachment>
  detach(proxy: Proxy): void
  /** The objects that say who may call it; absent, undefined: nobody can tell. */
  policiesOf?(proxy: Proxy): ProxyPolicies | undefined
}

/** One attachment per proxy, however many streams it has at once. */
export class Attachments {
  readonly #source: ProxySource
  readonly #byProxy = new Map<string, { readonly attachment: Promise<Attachment>; streams: number }>()

  constructor(source: ProxySource) {
    this.#source = source
  }

  /** Every call is matched by one of `release`, also when it fails. */
  acquire(proxy: Proxy): Promise<Attachment> {
    const key = toProxyIdentity(proxy)
    const known = this.#byProxy.get(key)
    if (known) {
      known.streams++
      return known.attachment
    }
    const attachment = this.#source.attach(proxy)
    this.#byProxy.set(key, { attachment, streams: 1 })
    return attachment
  }

  release(proxy: Proxy): void {
    const key = toProxyIdentity(proxy)
    const known = this.#byProxy.get(key)
    if (!known || --known.streams > 0) return
    this.#byProxy.delete(key)
    this.#source.detach(proxy)
  }
}

/** What a proxy has proven to be, as text. Two tokens may claim the same workload for different accounts: those are two proxies of one name. */
export const toProxyIdentity = (proxy: Proxy): string => `${toProxyName(proxy)} ${proxy.serviceAccount}`
