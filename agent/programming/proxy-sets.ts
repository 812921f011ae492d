import type { ProxySource } from '#agent/ads/attachments.ts'
import type { Attachment } from '#agent/ads/proxy-resources.ts'
import type { GatewayCredentials } from '#agent/credentials/gateway-credentials.ts'
import type { ClusterIdentity } from '#agent/identity/cluster-identity.ts'
import type { Compiler } from '#xds/compiler.ts'
import type { Proxy } from '#xds/proxy.ts'

/** What a proxy is given: the compiler's resources and the secrets of its account. */
export class ProxySets implements ProxySource {
  readonly #compiler: Compiler
  readonly #identity: ClusterIdentity
  readonly #credentials: GatewayCredentials

  constructor(compiler: Compiler, identity: ClusterIdentity, credentials: GatewayCredentials) {
    this.#compiler = compiler
    this.#identity = identity
    this.#credentials = credentials
  }

  async attach(proxy: Proxy): Promise<Attachment> {
    const secrets = [...(await this.#identity.attach(proxy)), ...this.#credentials.attach(proxy)]
    const compiled = this.#compiler.attach(proxy)
    // The compiler's list is a new one only when the proxy's class is: whoever looks often gets the same list.
    let last = compiled.sets
    let all = [...last, ...secrets]
    return {
      get sets() {
        if (compiled.sets !== last) all = [...(last = compiled.sets), ...secrets]
        return all
      },
    }
  }

  detach(proxy: Proxy): void {
    this.#compiler.detach(proxy)
    this.#identity.detach(proxy)
    this.#credentials.detach(proxy)
  }
}
