import { findProxyPolicies } from '#mesh/security/proxy-policies.ts'
import { createCompiler } from '#xds/compiler.ts'
import type { Call } from '#xds/explain/call.ts'
import { explainCall } from '#xds/explain/explain-call.ts'
import type { Explanation } from '#xds/explain/explanation.ts'
import type { Client } from '#xds/explain/facts.ts'
import { readSets, type ServedProxy } from '#xds/explain/served.ts'
import { toProxyName, type Proxy } from '#xds/proxy.ts'
import { readScene, type Scene, type SceneOptions } from './scene.ts'

/** A scene of which calls are explained. */
export class ExplainedScene {
  readonly scene: Scene
  readonly #compiler
  /** Scenes of other clusters, by their names: their first proxy is their gateway. */
  readonly #others: Readonly<Record<string, ExplainedScene>>

  constructor(
    scene: string | Scene,
    others: Readonly<Record<string, ExplainedScene>> = {},
    options: SceneOptions = {},
  ) {
    this.scene = typeof scene === 'string' ? readScene(scene, options) : scene
    this.#compiler = createCompiler(this.scene.store)
    this.#others = others
  }

  serve(proxy: Proxy): ServedProxy {
    return {
      name: toProxyName(proxy),
      served: readSets(this.#compiler.attach(proxy).sets),
      policies: findProxyPolicies(this.scene.store, proxy.namespace, proxy.workload),
    }
  }

  /** Of the scene's workloads the sidecar of the one with this address, if it is among its proxies. */
  at(address: string): ServedProxy | undefined {
    const proxy = this.scene.proxies.find(
      ({ namespace, workload }) => this.scene.store.workload(`${namespace}/${workload}`)?.address === address,
    )
    return proxy && this.serve(proxy)
  }

  /** A call by the scene's first proxy, or another client. */
  explain(
    call: Partial<Call> & Pick<Call, 'host'>,
    given: Partial<Client> & { readonly proxy?: Proxy } = {},
  ): Promise<Explanation> {
    const [first] = this.scene.proxies
    const proxy = given.proxy ?? first
    if (!proxy) throw new Error('nobody calls')
    const { name, served, policies } = this.serve(proxy)
    const { store } = this.scene
    const isCaptured = served.listeners.some(({ useOriginalDst }) => useOriginalDst)
    const entry = proxy.role === 'gateway' ? 'gateway' : isCaptured ? 'captured' : 'explicit'
    const client: Client = {
      name,
      namespace: proxy.namespace,
      serviceAccount: proxy.serviceAccount,
      cluster: store.localCluster,
      entry,
      ...given,
    }
    return explainCall({
      facts: store,
      client,
      served: client.entry === 'none' ? undefined : served,
      policies,
      proxies: {
        at: async ({ cluster, address }) => (this.#others[cluster] ?? this).at(address),
        gatewayOf: async (cluster) => {
          const other = this.#others[cluster]
          const [gateway] = other?.scene.proxies ?? []
          return gateway && other?.serve(gateway)
        },
      },
      call: { port: undefined, scheme: undefined, method: 'GET', path: '/', headers: {}, ...call },
    })
  }
}
