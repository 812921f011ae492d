import { writeFile } from 'node:fs/promises'
import { stringify } from 'yaml'
import { z } from 'zod'
import { agentName, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import type { LabCluster } from './harness/cluster.ts'

const admin = z.object({ clusters: z.array(z.object({ cluster: z.record(z.string(), z.string()) })) })

/** A kubeconfig of the agent's own service account, with no more rights than an installed agent has. */
export const writeAgentKubeconfig = async (cluster: LabCluster, file: string): Promise<void> => {
  const token = await cluster.kubectl(['create', 'token', agentName, '-n', systemNamespace, '--duration=4h'])
  const { clusters } = admin.parse(
    JSON.parse((await cluster.kubectl(['config', 'view', '--raw', '-o', 'json'])).stdout),
  )
  const text = stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'agent',
    clusters: [{ name: 'lab', cluster: clusters[0]?.cluster }],
    users: [{ name: 'agent', user: { token: token.stdout.trim() } }],
    contexts: [{ name: 'agent', context: { cluster: 'lab', user: 'agent' } }],
  })
  await writeFile(file, text, { mode: 0o600 })
}
