import { z } from 'zod'
import {
  injectionStatusAnnotation,
  agentHttpPort,
  agentName,
  defaultRevision,
  injectorWebhook,
  systemNamespace,
} from '#mesh/kubernetes/conventions.ts'
import type { CliContext } from '../cli-context.ts'
import { checkCluster } from '../kubernetes/checks/check-cluster.ts'
import { findInstalledCluster } from '../kubernetes/checks/check-kubernetes.ts'
import { readUpstreamDefinitions } from '../kubernetes/custom-resource-definitions.ts'
import { KubernetesApi } from '../kubernetes/kubernetes-api.ts'
import type { FoundObject } from '../kubernetes/kubernetes-api.ts'
import { findPodTroubles } from '../kubernetes/pod-troubles.ts'
import { findProgramFiles } from '../program-files.ts'
import { addAgentStatus } from './agent-parts.ts'
import {
  budgetShape,
  deploymentShape,
  eventShape,
  injectedPodShape,
  leaseShape,
  podShape,
  serviceShape,
  webhookShape,
} from './kubernetes-shapes.ts'
import type { Part } from './part.ts'
import { toFileName } from './support-bundle.ts'
import type { SupportBundle } from './support-bundle.ts'

const MAX_ITEMS = 500
const MAX_INJECTED = 50
/** Pods that are looked through for injected ones. */
const MAX_SEARCHED = 5000
const MAX_LOG_BYTES = 4 * 1024 * 1024
const MAX_LOG_LINES = 5000
const MAX_PODS = 12

const core = (resource: string) => ({ group: '', version: 'v1', resource })
const inSystem = { namespace: systemNamespace, atMost: MAX_ITEMS }
const podPath = (name: string) => `/api/v1/namespaces/${systemNamespace}/pods/${name}`

/**
 * What one Kubernetes cluster says, with the rights of the person's context: reading in `atoll-system` (Secrets and ConfigMaps never),
 * `pods/log` and `pods/proxy` there, and the list of pods for a sample of proxies. The first part tells whether there is an API server.
 */
export const toKubernetesParts = (
  context: CliContext,
  bundle: SupportBundle,
  { kubernetesContext, sinceSeconds }: { readonly kubernetesContext: string; readonly sinceSeconds: number },
): readonly Part[] => {
  const folder = `kubernetes/${toFileName(kubernetesContext)}`
  let connected: Promise<KubernetesApi> | undefined
  const connect = () =>
    (connected ??= context.io.connectKubernetes(kubernetesContext).then((transport) => new KubernetesApi(transport)))
  const findPods = async (): Promise<FoundObject[]> => (await connect()).list(core('pods'), {}, inSystem)
  const find = (finding: string) => bundle.find(`context ${kubernetesContext}: ${finding}`)

  const toList = (
    name: string,
    what: string,
    { group, version, resource }: { readonly group: string; readonly version: string; readonly resource: string },
    shape: z.ZodType,
    judge: (items: readonly unknown[]) => readonly string[] = () => [],
  ): Part => ({
    file: `${folder}/${name}.json`,
    what,
    collect: async () => {
      const found = await (await connect()).list({ group, version, resource }, {}, inSystem)
      const items = found.map((object) => shape.parse(object))
      bundle.add(`${folder}/${name}.json`, { items })
      for (const finding of judge(items)) find(finding)
    },
  })

  return [
    {
      file: `${folder}/version.json`,
      what: "Kubernetes' version, and which cluster of the mesh it is",
      collect: async () => {
        const api = await connect()
        const version = await api.version()
        bundle.add(`${folder}/version.json`, { version, server: api.server, cluster: await findInstalledCluster(api) })
      },
    },
    {
      file: `${folder}/check.json`,
      what: 'what "atoll check" finds',
      collect: async () => {
        const api = await connect()
        const candidate = { network: undefined, revision: defaultRevision, plane: context.connection().url }
        const definitions = readUpstreamDefinitions(findProgramFiles().crds)
        const cluster = await findInstalledCluster(api)
        const findings = await checkCluster(context, api, { ...candidate, cluster, definitions })
        bundle.add(`${folder}/check.json`, { findings })
        for (const finding of findings) if (finding.status === 'failure') find(`${finding.message} (${finding.code})`)
      },
    },
    toList(
      'deployments',
      'Deployments of atoll-system',
      { group: 'apps', version: 'v1', resource: 'deployments' },
      deploymentShape,
      judgeDeployments,
    ),
    {
      file: `${folder}/pods.json`,
      what: 'pods of atoll-system: states, restarts, images; no env',
      collect: async () => {
        const pods = await findPods()
        bundle.add(`${folder}/pods.json`, { items: pods.map((pod) => podShape.parse(pod)) })
        for (const { text } of findPodTroubles(pods)) find(text)
      },
    },
    toList('events', 'events of atoll-system', core('events'), eventShape),
    toList('leases', 'who reports', { group: 'coordination.k8s.io', version: 'v1', resource: 'leases' }, leaseShape),
    toList('services', 'Services of atoll-system, with load balancer addresses', core('services'), serviceShape),
    toList(
      'disruption-budgets',
      'PodDisruptionBudgets',
      { group: 'policy', version: 'v1', resource: 'poddisruptionbudgets' },
      budgetShape,
    ),
    {
      file: `${folder}/webhook.json`,
      what: 'the injector as the API server knows it',
      collect: async () => {
        const reference = {
          apiVersion: 'admissionregistration.k8s.io/v1',
          kind: 'MutatingWebhookConfiguration',
          metadata: { name: injectorWebhook },
        }
        const found = await (await connect()).find(reference)
        if (found === undefined)
          return find(`there is no MutatingWebhookConfiguration ${injectorWebhook}: no pod is injected`)
        const webhook = webhookShape.parse(found)
        bundle.add(`${folder}/webhook.json`, webhook)
        const unknown = webhook.webhooks.filter(({ clientConfig }) => clientConfig.authoritiesUntil.length === 0)
        if (unknown.length > 0) find('the API server does not know the authority of the injector yet')
      },
    },
    {
      file: `${folder}/agents/`,
      what: "/readyz and /metrics of each agent's pod, through the API server",
      collect: async () => {
        const api = await connect()
        for (const { metadata } of await findPods()) {
          if (metadata.labels['app.kubernetes.io/name'] !== agentName) continue
          const read = (path: string) => api.readText(`${podPath(`${metadata.name}:${agentHttpPort}`)}/proxy${path}`)
          await addAgentStatus(bundle, `${folder}/agents/${metadata.name}/`, metadata.name, read)
        }
      },
    },
    {
      file: `${folder}/logs/`,
      what: 'logs of agents and gateways in that time, also of a container before its restart',
      collect: async () => {
        const pods = (await findPods()).map((pod) => podShape.parse(pod))
        for (const { metadata, status } of pods.slice(0, MAX_PODS)) {
          for (const { name, restartCount } of status.containerStatuses) {
            const runs = restartCount > 0 ? [false, true] : [false]
            for (const previous of runs) await addLog(metadata.name, name, previous)
          }
        }
      },
    },
    {
      file: `${folder}/injected-pods.json`,
      what: `at most ${MAX_INJECTED} pods with a proxy: with what they were injected, the proxy's state; nothing else of them`,
      collect: async () => {
        const pods = await (await connect()).list(core('pods'), {}, { atMost: MAX_SEARCHED })
        const injected = pods.filter(({ metadata }) => metadata.annotations[injectionStatusAnnotation] !== undefined)
        const items = injected.slice(0, MAX_INJECTED).map((pod) => ({
          ...injectedPodShape.parse(pod),
          injected: toInjected(pod.metadata.annotations[injectionStatusAnnotation] ?? ''),
        }))
        bundle.add(`${folder}/injected-pods.json`, { items, of: injected.length, searched: pods.length })
      },
    },
  ]

  async function addLog(pod: string, container: string, previous: boolean): Promise<void> {
    const file = `${folder}/logs/${pod}.${container}${previous ? '.previous' : ''}.log`
    await bundle.attempt(file, async () => {
      const query = new URLSearchParams({
        container,
        previous: String(previous),
        tailLines: String(MAX_LOG_LINES),
        limitBytes: String(MAX_LOG_BYTES),
        timestamps: 'true',
        // What was before a restart may be older.
        ...(!previous && { sinceSeconds: String(sinceSeconds) }),
      })
      bundle.add(file, await (await connect()).readText(`${podPath(pod)}/log?${query.toString()}`), 'end')
    })
  }
}

const judgeDeployments = (items: readonly unknown[]): readonly string[] =>
  z
    .array(deploymentShape)
    .parse(items)
    .flatMap(({ metadata: { name }, spec: { replicas = 1 }, status: { availableReplicas } }) =>
      availableReplicas < replicas
        ? [`Deployment ${name}: ${availableReplicas} of ${replicas} replicas are available`]
        : [],
    )

const injectionStatus = z.object({
  revision: z.string().optional(),
  initContainers: z.array(z.string()).nullish(),
  containers: z.array(z.string()).nullish(),
})

/** Istio writes such an annotation too, and anybody can. */
const toInjected = (annotation: string): z.infer<typeof injectionStatus> | null => {
  try {
    return injectionStatus.parse(JSON.parse(annotation))
  } catch {
    return null
  }
}
