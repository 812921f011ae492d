import type { ProbeRoutes } from '#mesh/injection/probe-routes.ts'
import type { ScrapeTarget } from '#mesh/injection/scrape-target.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import { east, TestRoot } from '#test/agent/test-pki.ts'
import { createMember, Stage } from '#test/envoy/compile/stage.ts'
import { network1 } from '#test/mesh/records.ts'
import { PodNetwork } from './pod-network.ts'

export const clientAddress = '10.78.0.2'
export const serverAddress = '10.78.0.3'

/** Virtual addresses: nothing but a proxy knows where they lead. */
export const vip = { web: '10.96.0.1', any: '10.96.0.2', db: '10.96.0.3', client: '10.96.0.9' }

const services = `
  - host: web
    ports: ['http:80', 'grpc:81']
    fields: {addresses: [${vip.web}]}
    endpoints: {server: {address: ${serverAddress}, ports: {http: 8080, grpc: 8081}}}
  - host: any
    ports: ['web:80:auto', 'echo:9000:auto', 'greeter:9001:auto']
    fields: {addresses: [${vip.any}]}
    endpoints: {server: {address: ${serverAddress}, ports: {web: 8080, echo: 9000, greeter: 9001}}}
  - host: db
    ports: ['tcp:80', 'greeter:9001:tcp']
    fields: {addresses: [${vip.db}]}
    endpoints: {server: {address: ${serverAddress}, ports: {tcp: 9000, greeter: 9001}}}
  - host: block
    ports: ['tcp:9002']
    fields: {addresses: [10.97.0.0/16]}
    endpoints: {server: {address: ${serverAddress}, ports: {tcp: 9000}}}
  - host: stateful
    ports: ['tcp:9000', 'http:8080']
    endpoints: {server: {address: ${serverAddress}, ports: {tcp: 9000, http: 8080}}}
  - host: client
    ports: ['http:80']
    fields: {addresses: [${vip.client}]}
    endpoints: {client: {address: ${clientAddress}, ports: {http: 8080}, serviceAccount: caller}}
`

/** Two pods with captured traffic, `client` and `server`, and their proxies. */
export class CapturedPods {
  readonly network: PodNetwork
  readonly stage: Stage

  private constructor(network: PodNetwork, stage: Stage) {
    this.network = network
    this.stage = stage
  }

  /** `config`: YAML of configuration objects, each an item of a list. `probes` and `scrapeTarget`: of the pod `server`. */
  static async start({
    settings = {},
    config = '[]',
    probes = {},
    scrapeTarget,
  }: {
    readonly settings?: Partial<MeshSettings>
    readonly config?: string
    readonly probes?: ProbeRoutes
    readonly scrapeTarget?: ScrapeTarget
  } = {}): Promise<CapturedPods> {
    const network = await PodNetwork.create({ client: clientAddress, server: serverAddress })
    let stage: Stage | undefined
    try {
      const root = await TestRoot.create(Date.now())
      const member = await createMember(root, east, network1)
      const own = { probeRoutes: probes, ...(scrapeTarget && { scrapeTarget }) }
      const yaml = `
about: ''
services: ${services}
workloads:
  client: {address: ${clientAddress}, capture: transparent, serviceAccount: caller}
  server: ${JSON.stringify({ address: serverAddress, capture: 'transparent', ...own })}
config: ${config}
proxies: [sidecar/default/client/caller, sidecar/default/server]
`
      stage = await Stage.start(yaml, {
        root,
        member,
        members: [member],
        settings,
        place: ({ workload }) => network.place(workload),
        exposeAgent: (port) => network.exposeAgent(port),
      })
      const refused = await stage.untilDelivered()
      if (refused.length > 0) throw new Error(refused.join('\n'))
      return new CapturedPods(network, stage)
    } catch (error) {
      await stage?.stop()
      await network.remove()
      throw error
    }
  }

  get client() {
    return this.network.pod('client')
  }

  get server() {
    return this.network.pod('server')
  }

  get outside() {
    return this.network.outside
  }

  async stop(): Promise<void> {
    await this.stage.stop()
    await this.network.remove()
  }
}
