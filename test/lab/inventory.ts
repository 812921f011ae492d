import { eventually } from '#test/harness/child.ts'
import type { LabCluster } from './harness/cluster.ts'

/** Kinds whose objects come and go by themselves. */
const fleeting = /^(events|leases|endpoint(slice)?s|componentstatuses|ipaddresses|replicasets|pods)\b/

/** Every object in a cluster, "<kind> <namespace> <name>", but for what Kubernetes makes of others. */
export const takeInventory = (cluster: LabCluster): Promise<string[]> =>
  // Of a kind that is just going, the API server says for a moment that it is there and that it is not.
  eventually('the objects of every kind are listed', () => tryInventory(cluster))

const tryInventory = async (cluster: LabCluster): Promise<string[]> => {
  const listed = await cluster.kubectl(['api-resources', '--verbs=list', '--output=name'])
  const resources = listed.stdout.split('\n').filter((name) => !fleeting.test(name))
  const found = await cluster.kubectl([
    'get',
    resources.join(','),
    '--all-namespaces',
    '--ignore-not-found',
    '--no-headers',
    '--output=custom-columns=KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name',
  ])
  return found.stdout
    .split('\n')
    .map((line) => line.replaceAll(/\s+/g, ' ').trim())
    .toSorted()
}
