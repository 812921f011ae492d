import { z } from 'zod'
import { eastWestGatewayName, eastWestGatewayRole, roleLabel, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { eventually } from '#test/harness/child.ts'
import type { LabCluster } from '../harness/cluster.ts'
import { Lab } from '../harness/lab.ts'
import { nodeImage } from '../harness/lab-image.ts'
import { LabMesh } from '../mesh/lab-mesh.ts'
import { BreakableConnection } from '../registry/breakable-connection.ts'
import { Caller } from './caller.ts'
import { caller, namespace, serviceOf, workers } from './objects.ts'

const slices = z.object({
  items: z.array(
    z.object({
      endpoints: z
        .array(z.object({ conditions: z.object({ ready: z.boolean().optional() }).default({}) }))
        .nullish()
        .transform((endpoints) => endpoints ?? []),
    }),
  ),
})

const images = {
  'lab/caller': nodeImage('test/lab/faults/caller-app.ts', [], 1000),
  'lab/worker': nodeImage('test/lab/faults/worker-app.ts', [], 1000),
}

/** Controllers that have lost their API server look for it less and less often. */
const untilCountedMs = 120_000

/** In west, where faults happen: on the first node and on the second. */
export const westWorkers = { near: 2, far: 2 } as const

/**
 * Two clusters on two networks, with a caller in each and applications in both. What happens, happens in west; what is looked at is the caller
 * in east, who reaches west through its gateways alone.
 */
export class FaultStage {
  readonly lab: Lab
  readonly mesh: LabMesh
  readonly east: LabCluster
  readonly west: LabCluster
  readonly callers: { readonly east: Caller; readonly west: Caller }
  /** How west's pods reach their API server. */
  readonly wayToApiServer: BreakableConnection
  #followed = 0

  private constructor(
    lab: Lab,
    mesh: LabMesh,
    callers: { readonly east: Caller; readonly west: Caller },
    wayToApiServer: BreakableConnection,
  ) {
    this.lab = lab
    this.mesh = mesh
    this.east = lab.cluster('east')
    this.west = lab.cluster('west')
    this.callers = callers
    this.wayToApiServer = wayToApiServer
  }

  static async open(): Promise<FaultStage> {
    const lab = await Lab.up({ name: 'faults', clusters: 2, network: 'split', nodes: 2, images })
    try {
      const [east, west] = [lab.cluster('east'), lab.cluster('west')]
      const way = await redirectToApiServer(lab, west)
      const mesh = await LabMesh.start(lab)
      await Promise.all([mesh.join('east'), mesh.join('west')])
      const orderly = { app: 'orderly', ends: 'in-order' } as const
      const abrupt = { app: 'abrupt', ends: 'at-once' } as const
      const common = [namespace, serviceOf('orderly'), serviceOf('abrupt'), caller]
      await Promise.all([
        applyAll(
          east,
          ...common,
          workers({ ...orderly, cluster: 'east', replicas: 1 }),
          workers({ ...abrupt, cluster: 'east', replicas: 1 }),
        ),
        applyAll(
          west,
          ...common,
          workers({ ...orderly, cluster: 'west', replicas: westWorkers.near }),
          workers({ ...orderly, cluster: 'west', replicas: westWorkers.far, node: west.nodes[1]?.plan.name ?? '' }),
          workers({ ...abrupt, cluster: 'west', replicas: 2 }),
        ),
      ])
      // Nothing else waits so long: all of it starts at once on one machine.
      const untilAvailable = [
        'wait',
        '--for=condition=Available',
        'deployment',
        '--all',
        '-n',
        'shop',
        '--timeout=240s',
      ]
      await Promise.all([east, west].map((cluster) => cluster.kubectl(untilAvailable)))
      const gateways = `${roleLabel}=${eastWestGatewayRole}`
      await Promise.all([east, west].map((cluster) => cluster.waitForPods(systemNamespace, gateways, 2)))
      const callers = { east: await Caller.of(east), west: await Caller.of(west) }
      const stage = new FaultStage(lab, mesh, callers, way)
      await stage.untilEastHolds(westWorkers.near + westWorkers.far)
      return stage
    } catch (error) {
      await lab.down()
      throw error
    }
  }

  async close(): Promise<void> {
    this.wayToApiServer.close()
    await this.lab.down()
  }

  /** Takes one of west's pods out of the Service `orderly`, or puts it back: an endpoint goes, or comes. How many it then has. */
  async changeEndpoint(serves: boolean): Promise<number> {
    const [pod] = await this.west.waitForPods('shop', 'app=orderly,place=near', westWorkers.near)
    await this.west.kubectl([
      'label',
      'pod',
      '-n',
      'shop',
      pod?.name ?? '',
      '--overwrite',
      `serves=${serves ? 'yes' : 'no'}`,
    ])
    const count = westWorkers.near + westWorkers.far - (serves ? 0 : 1)
    await this.untilKubernetesHas(count)
    return count
  }

  /** Waits until west's API server counts so many ready endpoints of `orderly`; how many seconds that took. */
  async untilKubernetesHas(count: number): Promise<number> {
    const path =
      '/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?labelSelector=kubernetes.io/service-name%3Dorderly'
    const startMs = Date.now()
    await eventually(
      `Kubernetes counts ${count} endpoints in west`,
      async () => {
        const endpoints = slices.parse(await this.west.read(path)).items.flatMap((slice) => slice.endpoints)
        return endpoints.filter(({ conditions }) => conditions.ready).length === count
      },
      untilCountedMs,
    )
    return (Date.now() - startMs) / 1000
  }

  /**
   * Waits until east's caller holds that so many of west's endpoints are behind its gateway: that has their weight, and east's own endpoint
   * one of 1. How many seconds that took.
   */
  untilEastHolds(count: number): Promise<number> {
    return this.callers.east.untilHeld(`east holds ${count} endpoints of west`, ['orderly', 9080], (endpoints) => {
      const direct = endpoints.find(({ port }) => port === 8080)
      const gateway = endpoints.filter(({ port }) => port !== 8080)
      return gateway.length === 1 && gateway[0]?.weight === count * (direct?.weight ?? 0)
    })
  }

  /** How many seconds after its API server an endpoint's going, and then its coming back, are known in east; the longer of both. */
  async measureStaleness(): Promise<number> {
    const gone = await this.untilEastHolds(await this.changeEndpoint(false))
    const back = await this.untilEastHolds(await this.changeEndpoint(true))
    return Math.max(gone, back)
  }

  /**
   * Waits until west's nodes know what its API server is told now. Those that have lost it look for it less and less often, and meanwhile
   * addresses that are new lead nowhere.
   */
  async untilNodesFollow(): Promise<void> {
    const name = `followed-${++this.#followed}`
    await this.west.apply(serviceOf(name))
    await Promise.all(
      this.west.nodes.map((node) =>
        eventually(
          `the kube-proxy of ${node.plan.name} knows the Service ${name}`,
          async () => (await node.run(['nft', 'list', 'table', 'ip', 'kube-proxy'])).includes(`shop/${name}`),
          untilCountedMs,
          200,
        ),
      ),
    )
    await this.west.kubectl(['delete', 'service', name, '-n', 'shop'])
  }

  async gatewayAddress(): Promise<string> {
    const path = 'jsonpath={.status.loadBalancer.ingress[0].ip}'
    return (await this.west.kubectl(['get', 'service', eastWestGatewayName, '-n', systemNamespace, '-o', path])).stdout
  }
}

const applyAll = (cluster: LabCluster, ...objects: readonly string[]): Promise<void> =>
  cluster.apply(objects.join('\n---\n'))

/** Pods reach the API server through this process from now on, so that their way can be cut and slowed down. Nobody else does. */
const redirectToApiServer = async (lab: Lab, cluster: LabCluster): Promise<BreakableConnection> => {
  const { apiServer, apiServiceAddress } = cluster.plan
  const way = await BreakableConnection.to(apiServer.address, apiServer.port, lab.hostAddress)
  const rules = `table ip lab-api-server {
  chain prerouting {
    # Before kube-proxy, which leads to the API server itself.
    type nat hook prerouting priority dstnat - 10
    iifname br0 ip daddr ${apiServiceAddress} tcp dport 443 dnat to ${lab.hostAddress}:${way.port}
  }
}
`
  await Promise.all(cluster.nodes.map((node) => node.run(['nft', '-f', '-'], rules)))
  return way
}
