import { z } from 'zod'
import { eventually } from '#test/harness/child.ts'
import type { LabCluster } from '../harness/cluster.ts'
import { callerPort, loadReport, type LoadReport } from './load-report.ts'

const socketAddress = z.object({ address: z.string(), port_value: z.int() })
const clusters = z.object({
  cluster_statuses: z.array(
    z.object({
      name: z.string(),
      host_statuses: z
        .array(
          z.object({ address: z.object({ socket_address: socketAddress.optional() }), weight: z.int().default(0) }),
        )
        .default([]),
    }),
  ),
})

interface HeldEndpoint {
  readonly address: string
  readonly port: number
  readonly weight: number
}

/** The pod that calls, and what its proxy holds. */
export class Caller {
  readonly #url: string

  private constructor(url: string) {
    this.#url = url
  }

  static async of(cluster: LabCluster): Promise<Caller> {
    const [pod] = await cluster.waitForPods('shop', 'app=caller')
    return new Caller(`http://${pod?.address}:${callerPort}`)
  }

  async startLoad(url: string, perSecond: number): Promise<void> {
    await this.#ask('POST', `/load?url=${encodeURIComponent(url)}&perSecond=${perSecond}`)
  }

  async endLoad(): Promise<LoadReport> {
    return loadReport.parse(JSON.parse(await this.#ask('DELETE', '/load')))
  }

  /** The endpoints of a service that the caller's proxy sends requests to. */
  async holds(service: string, port: number): Promise<readonly HeldEndpoint[]> {
    const { cluster_statuses } = clusters.parse(JSON.parse(await this.#ask('GET', '/clusters?format=json')))
    const held = cluster_statuses.find(({ name }) => name === `outbound|${port}||${service}.shop.svc.cluster.local`)
    return (held?.host_statuses ?? []).flatMap(({ address: { socket_address: socket }, weight }) =>
      socket ? [{ address: socket.address, port: socket.port_value, weight }] : [],
    )
  }

  /** Waits until the caller's proxy holds what is wanted; how many seconds that took. */
  async untilHeld(
    what: string,
    [service, port]: readonly [string, number],
    isWanted: (endpoints: readonly HeldEndpoint[]) => boolean,
  ): Promise<number> {
    const startMs = Date.now()
    await eventually(what, async () => isWanted(await this.holds(service, port)), 120_000, 20)
    return (Date.now() - startMs) / 1000
  }

  async #ask(method: string, path: string): Promise<string> {
    const response = await fetch(`${this.#url}${path}`, { method })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    return text
  }
}
