import { z } from 'zod'
import { hasProxyOfAtoll } from '#mesh/injection/has-proxy-of-atoll.ts'
import { agentObjectLabels, proxyConfigMap, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { CliError } from '../cli-error.ts'
import { isOurs } from './custom-resource-definitions.ts'
import type { UpstreamDefinition } from './custom-resource-definitions.ts'
import type { KubernetesApi } from './kubernetes-api.ts'
import { toObjectText } from './kubernetes-object.ts'
import type { ObjectReference } from './kubernetes-object.ts'
import { installedReferences } from './manifests/build-manifests.ts'

const POLL_MS = 500

interface Time {
  readonly now: () => number
  readonly sleep: (milliseconds: number) => Promise<void>
  readonly timeoutSeconds: number
}

/**
 * Takes away everything that an installation and its agent have made, the webhook first: without it pods start as ever. What
 * is in the namespace goes with the namespace.
 */
export const uninstall = async (
  api: KubernetesApi,
  time: Time,
  report: (object: ObjectReference) => void,
): Promise<void> => {
  const removeAndReport = async (reference: ObjectReference) => {
    if (await api.remove(reference)) report(reference)
  }
  const clusterWide = installedReferences.filter(({ metadata }) => metadata.namespace === undefined)
  const namespace = clusterWide.filter(({ kind }) => kind === 'Namespace')
  const rights = clusterWide.filter(({ kind }) => kind.startsWith('ClusterRole'))
  const webhooks = clusterWide.filter((reference) => !namespace.includes(reference) && !rights.includes(reference))

  for (const reference of [...webhooks, ...namespace]) await removeAndReport(reference)
  await waitUntilGone(api, namespace, time)
  // When no agent is left that could write them again.
  for (const reference of await findProxyConfigs(api)) await removeAndReport(reference)
  for (const reference of rights.toReversed()) await removeAndReport(reference)
}

const waitUntilGone = async (api: KubernetesApi, references: readonly ObjectReference[], time: Time): Promise<void> => {
  const deadline = time.now() + time.timeoutSeconds * 1000
  for (const reference of references) {
    while ((await api.find(reference)) !== undefined) {
      if (time.now() >= deadline) {
        throw new CliError('notInSync', `${toObjectText(reference)} is still there after ${time.timeoutSeconds} s`, {
          remedy: `See what keeps it: kubectl get ${reference.kind.toLowerCase()} ${reference.metadata.name} -o yaml. Then run this again.`,
        })
      }
      await time.sleep(POLL_MS)
    }
  }
}

/** The ConfigMaps that the agent keeps for the proxies of each namespace. What others made under the name stays, as the agent lets it. */
const findProxyConfigs = async (api: KubernetesApi): Promise<readonly ObjectReference[]> => {
  const found = await api.list(
    { group: '', version: 'v1', resource: 'configmaps' },
    {
      fieldSelector: `metadata.name=${proxyConfigMap}`,
      labelSelector: Object.entries(agentObjectLabels)
        .map((label) => label.join('='))
        .join(','),
    },
  )
  return found.map(({ metadata: { name, namespace } }) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, ...(namespace !== undefined && { namespace }) },
  }))
}

/** Takes away upstream's CRDs that we installed and nobody uses, which the API server takes its time for; answers why the others stay. */
export const removeDefinitions = async (
  api: KubernetesApi,
  definitions: readonly UpstreamDefinition[],
  time: Time,
  report: (object: ObjectReference) => void,
): Promise<readonly string[]> => {
  const kept: string[] = []
  const removed: ObjectReference[] = []
  for (const { object, type } of definitions) {
    const found = await api.find(object)
    if (found === undefined) continue
    if (!isOurs(found)) kept.push(`${object.metadata.name} is not ours`)
    else if ((await api.list(type)).length > 0) kept.push(`${object.metadata.name} has objects`)
    else if (await api.remove(object)) {
      removed.push(object)
      report(object)
    }
  }
  await waitUntilGone(api, removed, time)
  return kept
}

const podWithVolumes = z.object({
  metadata: z.object({ namespace: z.string() }),
  spec: z.object({
    volumes: z.array(z.object({ configMap: z.object({ name: z.string().optional() }).optional() })).default([]),
  }),
})

/** Namespaces with pods that have a proxy of Atoll's, the installation's own left out: those pods keep it until they are restarted. */
export const findNamespacesWithProxies = async (api: KubernetesApi): Promise<readonly string[]> => {
  const running = {
    fieldSelector: `metadata.namespace!=${systemNamespace},status.phase!=Succeeded,status.phase!=Failed`,
  }
  const pods = await api.list({ group: '', version: 'v1', resource: 'pods' }, running)
  const namespaces = pods.flatMap((pod) => {
    const { metadata, spec } = podWithVolumes.parse(pod)
    return hasProxyOfAtoll(spec.volumes) ? [metadata.namespace] : []
  })
  return [...new Set(namespaces)].toSorted()
}
