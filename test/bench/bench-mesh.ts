import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { ApiClient } from '#api/client.ts'
import { createMachineToken } from '#api/routes/machine-tokens.ts'
import { getRevisionDelivery } from '#api/routes/revisions.ts'
import { getTrust } from '#api/routes/trust.ts'
import { toAgentDnsName } from '#mesh/identity.ts'
import { clusterName } from '#mesh/names.ts'
import { eventually } from '#test/harness/child.ts'
import type { World, WorldCluster } from '#test/harness/world.ts'

/** Starts the plane; a client with an owner's token. */
export const signIn = async (world: World): Promise<ApiClient> => {
  await world.startPlane()
  await world.signIn('bench.atoll.local')
  const { secret } = await world.atollJson<{ secret: string }>(['token', 'create', '--role', 'owner'])
  return new ApiClient({
    baseUrl: world.url,
    version: 'bench',
    token: secret,
    fetch,
    sleep,
    random: Math.random,
    newIdempotencyKey: randomUUID,
  })
}

/** Throws when a revision is not live on all proxies in time. */
export const untilLive = async (client: ApiClient, mesh: string, revision: number): Promise<void> => {
  const answer = await client.call(getRevisionDelivery, { params: { mesh, revision }, query: { waitSeconds: 20 } })
  if (!answer.complete)
    throw new Error(`revision ${revision} is not live everywhere after 20 s: ${JSON.stringify(answer)}`)
}

export const agentPid = (cluster: WorldCluster): number => {
  if (!cluster.agent) throw new Error(`the agent of ${cluster.name} does not run`)
  return cluster.agent.pid
}

/** What so many sidecars authenticate with: `client-0` … of the namespace bench. */
export const makeTokens = async (
  client: ApiClient,
  cluster: string,
  count: number,
): Promise<{ nodeId: string; machineToken: string }[]> => {
  const tokens = []
  for (let index = 0; index < count; index++) {
    const workload = `client-${index}`
    const issued = await client.call(createMachineToken, {
      params: { mesh: 'demo', cluster },
      json: { role: 'sidecar', namespace: 'bench', serviceAccount: 'client', workload },
    })
    tokens.push({ nodeId: workload, machineToken: issued.secret })
  }
  return tokens
}

/** How proxies reach a cluster's agent. */
export const connectOptions = async (client: ApiClient, cluster: WorldCluster) => {
  const trust = await eventually('the mesh trusts the cluster', async () => {
    const answer = await client.call(getTrust, { params: { mesh: 'demo' } })
    return answer.intermediates.some((intermediate) => intermediate.cluster === cluster.name) && answer
  })
  return {
    address: cluster.xdsAddress,
    rootPem: trust.roots.map((root) => root.pem).join('\n'),
    serverName: toAgentDnsName(clusterName.parse(cluster.name), trust.trustDomain),
  }
}
