import { z } from 'zod'
import { hasLabels } from '#mesh/has-labels.ts'
import { hasProxyOfAtoll } from '#mesh/injection/has-proxy-of-atoll.ts'
import { agentObjectLabels, proxyConfigMap } from '#mesh/kubernetes/conventions.ts'
import { CliError } from '../cli-error.ts'
import { isOurs } from './custom-resource-definitions.ts'
import type { UpstreamDefinition } from './custom-resource-definitions.ts'
import { isInstalled } from './keep-gateways.ts'
import type { KubernetesApi } from './kubernetes-api.ts'
import { toObjectText } from './kubernetes-object.ts'
import type { ObjectReference } from './kubernetes-object.ts'
import { installedReferences, referencesAtIstio } from './manifests/build-manifests.ts'
import { partOfAtoll } from './manifests/object-labels.ts'

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
  const deployments = installedReferences.filter(({ kind }) => kind === 'Deployment')

  for (const reference of [...webhooks, ...deployments]) await removeAndReport(reference)
  for (const reference of referencesAtIstio) if (await isInstalled(api, reference)) await removeAndReport(reference)
  // Kubernetes looks again at a namespace with pods after half the time that these may take at most, however soon they are gone.
  for (const { metadata } of namespace) await waitUntilNoPods(api, metadata.name, time)
  for (const reference of namespace) await removeAndReport(reference)
  await waitUntilGone(api, namespace, time)
  // When no agent is left that could write them again.
  for (const reference of await findProxyConfigs(api)) await removeAndReport(reference)
  for (const reference of rights.toReversed()) await removeAndReport(reference)
}

const waitUntilNoPods = (api: KubernetesApi, namespace: string, time: Time): Promise<void> => {
  const ours = { labelSelector: 'app.kubernetes.io/part-of=atoll' }
  const pods = { group: '', version: 'v1', resource: 'pods' }
  return waitUntil(async () => (await api.list(pods, ours, { namespace })).length === 0, time, {
    what: `A pod in ${namespace}`,
    look: `kubectl get pods --namespace ${namespace}`,
  })
}

const waitUntilGone = async (api: KubernetesApi, references: readonly ObjectReference[], time: Time): Promise<void> => {
  for (const reference of references) {
    await waitUntil(async () => (await api.find(reference)) === undefined, time, {
      what: toObjectText(reference),
      look: `kubectl get ${reference.kind.toLowerCase()} ${reference.metadata.name} -o yaml`,
    })
  }
}

const waitUntil = async (
  isGone: () => Promise<boolean>,
  { now, sleep, timeoutSeconds }: Time,
  { what, look }: { readonly what: string; readonly look: string },
): Promise<void> => {
  const deadline = now() + timeoutSeconds * 1000
  while (!(await isGone())) {
    if (now() >= deadline) {
      throw new CliError('notInSync', `${what} is still there after ${timeoutSeconds} s`, {
        remedy: `See what keeps it: ${look}. Then run this again.`,
      })
    }
    await sleep(POLL_MS)
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
  metadata: z.object({ namespace: z.string(), labels: z.record(z.string(), z.string()).default({}) }),
  spec: z.object({
    volumes: z.array(z.object({ configMap: z.object({ name: z.string().optional() }).optional() })).default([]),
  }),
})

/** Namespaces with pods that have a proxy of Atoll's, the installation's own left out: those pods keep it until they are restarted. */
export const findNamespacesWithProxies = async (api: KubernetesApi): Promise<readonly string[]> => {
  const running = { fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' }
  const ours = installedReferences.flatMap(({ kind, metadata }) => (kind === 'Namespace' ? [metadata.name] : []))
  const pods = await api.list({ group: '', version: 'v1', resource: 'pods' }, running)
  const namespaces = pods.flatMap((pod) => {
    const { metadata, spec } = podWithVolumes.parse(pod)
    const isOurGateway = ours.includes(metadata.namespace) || hasLabels(metadata.labels, partOfAtoll)
    return hasProxyOfAtoll(spec.volumes) && !isOurGateway ? [metadata.namespace] : []
  })
  return [...new Set(namespaces)].toSorted()
}
