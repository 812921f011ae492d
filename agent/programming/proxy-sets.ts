import type { ProxySource } from '#agent/ads/attachments.ts'
import type { Attachment } from '#agent/ads/proxy-resources.ts'
import type { CredentialDemand } from '#agent/credentials/credential-demand.ts'
import type { GatewayCredentials } from '#agent/credentials/gateway-credentials.ts'
import type { ClusterIdentity } from '#agent/identity/cluster-identity.ts'
import type { Compiler } from '#xds/compiler.ts'
import type { Proxy } from '#xds/proxy.ts'

/** What a proxy is given: the compiler's resources and the secrets of its account. */
export class ProxySets implements ProxySource {
  readonly #compiler: Compiler
  readonly #identity: ClusterIdentity
  readonly #credentials: Pick<GatewayCredentials, 'setsOf'>
  readonly #demand: Pick<CredentialDemand, 'attach' | 'detach'>

  constructor(
    compiler: Compiler,
    identity: ClusterIdentity,
    credentials: Pick<GatewayCredentials, 'setsOf'>,
    demand: Pick<CredentialDemand, 'attach' | 'detach'>,
  ) {
    this.#compiler = compiler
    this.#identity = identity
    this.#credentials = credentials
    this.#demand = demand
  }

  async attach(proxy: Proxy): Promise<Attachment> {
    const secrets = [...(await this.#identity.attach(proxy)), ...this.#credentials.setsOf(proxy)]
    this.#demand.attach(proxy)
    const compiled = this.#compiler.attach(proxy)
    // The compiler's list is a new one only when the proxy's class is: whoever looks often gets the same list.
    let last = compiled.sets
    let all = [...last, ...secrets]
    return {
      get sets() {
        if (compiled.sets !== last) all = [...(last = compiled.sets), ...secrets]
        return all
      },
      get isBlocked() {
        return compiled.isBlocked
      },
    }
  }

  detach(proxy: Proxy): void {
    this.#compiler.detach(proxy)
    this.#identity.detach(proxy)
    this.#demand.detach(proxy)
  }
}
