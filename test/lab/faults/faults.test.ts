import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { agentName, eastWestGatewayName, eastWestGatewayPort, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { eventually } from '#test/harness/child.ts'
import type { LabCluster } from '../harness/cluster.ts'
import { FaultStage, westWorkers } from './fault-stage.ts'
import { FaultTable } from './fault-table.ts'
import type { LoadReport } from './load-report.ts'
import { thousandEndpoints } from './objects.ts'

// Somebody calls an application of two clusters all the while. Each test leaves everything as it found it.
let stage: FaultStage
const table = new FaultTable()
const perSecond = 40
const allOfWest = westWorkers.near + westWorkers.far
/** What a fault that lasts is given, for its consequences to come. */
const whileMs = 5000

beforeAll(async () => {
  stage = await FaultStage.open()
}, 600_000)
afterAll(async () => {
  await stage?.close()
  process.stdout.write(`\n${table.toString()}\n`)
})

/** Sends requests from east while something happens. */
const under = async <T>(happens: () => Promise<T>, app = 'orderly'): Promise<{ report: LoadReport; result: T }> => {
  await stage.callers.east.startLoad(`http://${app}:9080/`, perSecond)
  try {
    const result = await happens()
    // What comes late belongs to it.
    await pause(1000)
    const report = await stage.callers.east.endLoad()
    // Else it would tell nothing of what happens in west.
    expect(Object.keys(report.answers).filter((by) => by.startsWith('west/'))).not.toEqual([])
    return { result, report }
  } catch (error) {
    await stage.callers.east.endLoad()
    throw error
  }
}

/** Replaces a Deployment's pods, and waits until the last of the old ones has ended. */
const restart = async (cluster: LabCluster, namespace: string, deployment: string): Promise<void> => {
  const pods = async (): Promise<readonly string[]> => {
    const { stdout } = await cluster.kubectl(['get', 'pods', '-n', namespace, '-o', 'name'])
    return stdout.split('\n').filter((name) => name.replace(/(-[a-z0-9]+){2}$/, '') === `pod/${deployment}`)
  }
  const old = await pods()
  await cluster.kubectl(['rollout', 'restart', `deployment/${deployment}`, '-n', namespace])
  await cluster.kubectl(['rollout', 'status', `deployment/${deployment}`, '-n', namespace, '--timeout=120s'])
  await eventually(
    `the old pods of ${deployment} have ended`,
    async () => (await pods()).every((name) => !old.includes(name)),
    120_000,
    500,
  )
}

const inBothClusters = async (act: (cluster: LabCluster) => Promise<void>): Promise<void> => {
  await Promise.all([stage.east, stage.west].map(act))
}

describe('a rolling restart', () => {
  test('of an application that ends in order fails no request', async () => {
    const { report } = await under(() => inBothClusters((cluster) => restart(cluster, 'shop', 'orderly')))
    table.add('application that ends in order, restarted in both clusters', report, await stage.measureStaleness())
    expect(report.failures).toEqual([])
  })

  test('of an application that ends at once fails what it had in hand', async () => {
    const { report } = await under(() => inBothClusters((cluster) => restart(cluster, 'shop', 'abrupt')), 'abrupt')
    table.add('application that ends at once, restarted in both clusters', report)
    // In hand when it ended, or asked again of others until no try was left, each of which had just ended as well: pods of both clusters end at once here.
    for (const { why } of report.failures)
      expect(why).toMatch(/^503 .*(connection termination|retried and .*remote connection failure)/)
    // Three pods, and each had a few in hand.
    expect(report.failures.length).toBeLessThan(15)
  })

  test('of the agents fails no request', async () => {
    const { report } = await under(() => inBothClusters((cluster) => restart(cluster, systemNamespace, agentName)))
    table.add('agents, restarted in both clusters', report, await stage.measureStaleness())
    expect(report.failures).toEqual([])
  })

  test('of the east-west gateways fails no request', async () => {
    const { report } = await under(() => restart(stage.west, systemNamespace, eastWestGatewayName))
    table.add('east-west gateways, restarted', report, await stage.measureStaleness())
    expect(report.failures).toEqual([])
  })
})

describe('no request fails, and what changed is known,', () => {
  test('when the replicas of the agents are killed one after the other', async () => {
    const { report } = await under(() =>
      inBothClusters(async (cluster) => {
        for (const { name } of await cluster.waitForPods(systemNamespace, `app.kubernetes.io/name=${agentName}`, 2)) {
          await cluster.kubectl(['delete', 'pod', name, '-n', systemNamespace, '--force', '--grace-period=0'])
          await cluster.waitForPods(systemNamespace, `app.kubernetes.io/name=${agentName}`, 2)
        }
      }),
    )
    table.add('replicas of the agents killed, one after the other', report, await stage.measureStaleness())
    expect(report.failures).toEqual([])
  })

  test('when the plane is away for the whole of a rollout', async () => {
    const { report, result } = await under(async () => {
      await stage.mesh.killPlane()
      await restart(stage.west, 'shop', 'orderly')
      const count = await stage.changeEndpoint(false)
      await stage.mesh.startPlane()
      return stage.untilEastHolds(count)
    })
    await stage.untilEastHolds(await stage.changeEndpoint(true))
    table.add('plane away for the whole of a rollout', report, result)
    expect(report.failures).toEqual([])
  })

  test('when the API server is away and comes back', async () => {
    const { report, result } = await under(async () => {
      await stage.west.stopApiServer()
      await pause(whileMs)
      await stage.west.startApiServer()
      return stage.measureStaleness()
    })
    await stage.untilNodesFollow()
    table.add('API server away, and back', report, result)
    expect(report.failures).toEqual([])
  })

  test('when the API server is slow', async () => {
    const { report, result } = await under(async () => {
      stage.wayToApiServer.slowDown(1000)
      try {
        return await stage.measureStaleness()
      } finally {
        stage.wayToApiServer.heal()
      }
    })
    table.add('API server slow: a second each way', report, result)
    expect(report.failures).toEqual([])
  })

  test('when a watch comes back to an API server that has forgotten where it was', async () => {
    const { report, result } = await under(async () => {
      stage.wayToApiServer.cut()
      const count = await stage.changeEndpoint(false)
      await stage.lab.compact()
      await stage.west.stopApiServer()
      await stage.west.startApiServer()
      stage.wayToApiServer.heal()
      return stage.untilEastHolds(count)
    })
    await stage.untilEastHolds(await stage.changeEndpoint(true))
    await stage.untilNodesFollow()
    table.add('watch broken and compacted', report, result)
    expect(report.failures).toEqual([])
  })

  test("when a gateway's address changes", async () => {
    const before = await stage.gatewayAddress()
    const after = stage.west.plan.loadBalancerCidr.replace(/0\/\d+$/, '99')
    const { report, result } = await under(async () => {
      const status = { status: { loadBalancer: { ingress: [{ ip: after, ipMode: 'VIP' }] } } }
      const patch = ['--subresource=status', '--type=merge', '-p', JSON.stringify(status)]
      await stage.west.kubectl(['patch', 'service', eastWestGatewayName, '-n', systemNamespace, ...patch])
      return stage.callers.east.untilHeld('east holds the new address', ['orderly', 9080], (endpoints) => {
        const gateways = endpoints.filter(({ port }) => port === eastWestGatewayPort)
        return gateways.length === 1 && gateways[0]?.address === after
      })
    })
    expect(after).not.toBe(before)
    table.add("gateway's address changed", report, result)
    expect(report.failures).toEqual([])
  })

  test('when a thousand endpoints are replaced in each cluster', async () => {
    const { report, result } = await under(async () => {
      await Promise.all([stage.east, stage.west].map((cluster) => cluster.apply(thousandEndpoints(0))))
      await untilThousandHeld(0)
      await Promise.all([stage.east, stage.west].map((cluster) => cluster.apply(thousandEndpoints(1))))
      return untilThousandHeld(1)
    })
    table.add('a thousand endpoints replaced in each cluster', report, result)
    expect(report.failures).toEqual([])
  })
})

const untilThousandHeld = async (generation: number): Promise<number> => {
  const wanted = new Set(thousandEndpoints(generation).match(/10\.250\.\d+\.\d+/g))
  expect(wanted.size).toBe(1000)
  const seconds = [stage.callers.east, stage.callers.west].map((caller) =>
    caller.untilHeld('a thousand endpoints are held', ['wide', 80], (endpoints) => {
      return endpoints.length === wanted.size && endpoints.every(({ address }) => wanted.has(address))
    }),
  )
  return Math.max(...(await Promise.all(seconds)))
}

/**
 * What was on its way when its peer fell silent: nobody knows whether it was worked on, so nobody may repeat it. Its connection may end when the
 * peer is back, and has closed it meanwhile.
 */
const toInHand = ({ failures }: LoadReport) =>
  failures.filter(
    ({ why, tookMs }) => /no answer/.test(why) || (/connection termination/.test(why) && tookMs > silentMs),
  )
const silentMs = 5_000

describe('only requests in hand fail, and what changed is known,', () => {
  test('when a node is gone with its pods', async () => {
    const [, far] = stage.west.nodes
    try {
      const { report, result } = await under(async () => {
        await far?.stop()
        const noticed = await stage.untilKubernetesHas(westWorkers.near)
        return { noticed, stale: await stage.untilEastHolds(westWorkers.near) }
      })
      table.add('node gone with 2 pods', report, result.stale, `Kubernetes knew after ${result.noticed.toFixed(1)} s`)
      expect(report.failures).toEqual(toInHand(report))
      expect(report.failures.length).toBeLessThan(10)
    } finally {
      await far?.start()
      await stage.untilEastHolds(allOfWest)
    }
  })

  test('when one network is parted from everything else', async () => {
    const { report, result } = await under(async () => {
      await part(stage.west)
      const withdrawn = await stage.callers.east.untilHeld('the gateway is withdrawn', ['orderly', 9080], (endpoints) =>
        endpoints.every(({ port }) => port !== eastWestGatewayPort),
      )
      const count = await stage.changeEndpoint(false)
      await pause(whileMs)
      await unite(stage.west)
      return { withdrawn, stale: await stage.untilEastHolds(count) }
    })
    await stage.untilEastHolds(await stage.changeEndpoint(true))
    table.add('network parted', report, result.stale, `gateway withdrawn after ${result.withdrawn.toFixed(1)} s`)
    expect(report.failures).toEqual(toInHand(report))
    expect(report.failures.length).toBeLessThan(10)
  })
})

/** Nothing comes into a cluster's network, or leaves it, but to its own API server. What is thrown away is told nobody. */
const part = async (cluster: LabCluster): Promise<void> => {
  const { podCidr } = cluster.plan
  const rules = `table ip lab-parted {
  chain forward {
    type filter hook forward priority filter
    ip saddr ${podCidr} ip daddr ${podCidr} accept
    ip daddr ${stage.lab.hostAddress} tcp dport { ${cluster.plan.apiServer.port}, ${stage.wayToApiServer.port} } accept
    ip saddr ${stage.lab.hostAddress} tcp sport { ${cluster.plan.apiServer.port}, ${stage.wayToApiServer.port} } accept
    oifname eth0 drop
    iifname eth0 drop
  }
}
`
  await Promise.all(cluster.nodes.map((node) => node.run(['nft', '-f', '-'], rules)))
}

const unite = async (cluster: LabCluster): Promise<void> => {
  await Promise.all(cluster.nodes.map((node) => node.run(['nft', 'delete', 'table', 'ip', 'lab-parted'])))
}
