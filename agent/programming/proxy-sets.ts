import type { ProxySource } from '#agent/ads/attachments.ts'
import type { Attachment } from '#agent/ads/proxy-resources.ts'
import type { ProxyCredentials } from '#agent/credentials/proxy-credentials.ts'
import type { ClusterIdentity } from '#agent/identity/cluster-identity.ts'
import type { Compiler } from '#xds/compiler.ts'
import type { Proxy } from '#xds/proxy.ts'

/** What a proxy is given: the compiler's resources, the secrets of its account, and those that are named for it. */
export class ProxySets implements ProxySource {
  readonly #compiler: Compiler
  readonly #identity: ClusterIdentity
  readonly #credentials: Pick<ProxyCredentials, 'setsOf' | 'attach' | 'detach'>

  constructor(
    compiler: Compiler,
    identity: ClusterIdentity,
    credentials: Pick<ProxyCredentials, 'setsOf' | 'attach' | 'detach'>,
  ) {
    this.#compiler = compiler
    this.#identity = identity
    this.#credentials = credentials
  }

  async attach(proxy: Proxy): Promise<Attachment> {
    const own = await this.#identity.attach(proxy)
    const credentials = this.#credentials
    credentials.attach(proxy)
    const compiled = this.#compiler.attach(proxy)
    // These lists are new ones only when others are in them: whoever looks often gets the same list.
    let [last, named] = [compiled.sets, credentials.setsOf(proxy)]
    let all = [...last, ...own, ...named]
    return {
      get sets() {
        const now = credentials.setsOf(proxy)
        if (compiled.sets !== last || now !== named) all = [...(last = compiled.sets), ...own, ...(named = now)]
        return all
      },
      get blockedBy() {
        return compiled.blockedBy
      },
    }
  }

  detach(proxy: Proxy): void {
    this.#compiler.detach(proxy)
    this.#identity.detach(proxy)
    this.#credentials.detach(proxy)
  }
}
