import { z } from 'zod'
import {
  clusterAnnotation,
  defaultRevision,
  injectionLabel,
  injectorWebhook,
  systemNamespace,
} from '#mesh/kubernetes/conventions.ts'
import { isOurs, toOwner } from '../custom-resource-definitions.ts'
import type { UpstreamDefinition } from '../custom-resource-definitions.ts'
import type { Access, KubernetesApi } from '../kubernetes-api.ts'
import { toResourceType } from '../kubernetes-object.ts'
import type { ObjectReference } from '../kubernetes-object.ts'
import type { Finding } from './finding.ts'

/** The first with `sleep` as a preStop action and native sidecars, both without a feature gate. */
const MIN_MINOR_VERSION = 30

export const checkVersion = async (api: KubernetesApi): Promise<Finding> => {
  const version = await api.version()
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(version) ?? []
  if (Number(major) > 1 || Number(minor) >= MIN_MINOR_VERSION)
    return { check: 'version', status: 'ok', message: `Kubernetes ${version} at ${api.server}` }
  return {
    check: 'version',
    status: 'failure',
    code: 'version_too_old',
    message: `Kubernetes ${version}`,
    remedy: `Upgrade it to v1.${MIN_MINOR_VERSION} or later.`,
  }
}

const verbs = ['get', 'create', 'patch', 'delete'] as const

/** What is only looked at: the other injectors, the pods' addresses, what the agent has made in other namespaces. */
const onlyRead = [
  ['admissionregistration.k8s.io', 'mutatingwebhookconfigurations'],
  ['', 'nodes'],
  ['', 'namespaces'],
  ['', 'configmaps'],
  ['', 'pods'],
] as const

/** Asks for every resource of the installation once (SelfSubjectAccessReview). */
export const checkPermissions = async (api: KubernetesApi, objects: readonly ObjectReference[]): Promise<Finding> => {
  const wanted = new Map<string, Access>()
  for (const object of objects) {
    const { group, resource } = toResourceType(object)
    const { namespace } = object.metadata
    for (const verb of verbs) {
      const place = namespace === undefined ? '' : ` in ${namespace}`
      wanted.set(`${verb} ${resource}${place}`, {
        verb,
        group,
        resource,
        ...(namespace !== undefined && { namespace }),
      })
    }
  }
  for (const [group, resource] of onlyRead) wanted.set(`list ${resource}`, { verb: 'list', group, resource })
  const answers = await Promise.all([...wanted].map(async ([text, access]) => ((await api.may(access)) ? [] : [text])))
  const missing = answers.flat()
  if (missing.length === 0)
    return { check: 'permissions', status: 'ok', message: 'you may make all that an installation consists of' }
  return {
    check: 'permissions',
    status: 'failure',
    code: 'permission_missing',
    message: `you may not ${missing.join(', ')}`,
    remedy: 'Use a context with the ClusterRole cluster-admin, or have its holder apply what "--dry-run" prints.',
  }
}

export const checkCrds = async (api: KubernetesApi, definitions: readonly UpstreamDefinition[]): Promise<Finding> => {
  const found = await Promise.all(definitions.map(({ object }) => api.find(object)))
  const foreign = found.filter((definition) => definition !== undefined && !isOurs(definition))
  const [first] = foreign
  if (first === undefined) {
    const missing = found.filter((definition) => definition === undefined).length
    const message = missing === 0 ? 'are there, from us' : `${missing} of ${found.length} will be installed`
    return { check: 'crds', status: 'ok', message: `upstream's CRDs: ${message}` }
  }
  return {
    check: 'crds',
    status: 'warning',
    code: 'crd_foreign',
    message: `${foreign.length} of upstream's CRDs are ${toOwner(first)}'s and are left alone`,
    remedy: 'Nothing has to be done. See that they are not much older than those that "--dry-run" prints.',
  }
}

const webhooks = z.array(
  z.looseObject({
    namespaceSelector: z
      .object({
        matchLabels: z.record(z.string(), z.string()).optional(),
        matchExpressions: z
          .array(z.object({ key: z.string(), operator: z.string(), values: z.array(z.string()).optional() }))
          .optional(),
      })
      .optional(),
  }),
)

/** Whether a webhook is for namespaces with the label `istio-injection: enabled`. */
const takesLabelledNamespaces = ({ namespaceSelector }: z.infer<typeof webhooks>[number]): boolean =>
  namespaceSelector?.matchLabels?.[injectionLabel] === 'enabled' ||
  (namespaceSelector?.matchExpressions ?? []).some(
    ({ key, operator, values }) => key === injectionLabel && operator === 'In' && values?.includes('enabled'),
  )

export const checkInjectors = async (api: KubernetesApi, revision: string): Promise<Finding> => {
  const configurations = await api.list({
    group: 'admissionregistration.k8s.io',
    version: 'v1',
    resource: 'mutatingwebhookconfigurations',
  })
  const others = configurations.filter(
    (configuration) =>
      configuration.metadata.name !== injectorWebhook &&
      (webhooks.safeParse(configuration['webhooks']).data ?? []).some(takesLabelledNamespaces),
  )
  const names = others.map(({ metadata }) => metadata.name).join(', ')
  if (others.length === 0) return { check: 'injector', status: 'ok', message: 'no other injector' }
  if (revision !== defaultRevision)
    return {
      check: 'injector',
      status: 'ok',
      message: `${names} injects by default, Atoll by istio.io/rev=${revision}`,
    }
  return {
    check: 'injector',
    status: 'failure',
    code: 'injector_conflict',
    message: `${names} injects where ${injectionLabel}=enabled`,
    remedy: 'Join with "--revision atoll": then Atoll takes only namespaces with the label istio.io/rev=atoll.',
  }
}

/** `cluster`: the name that it is to be installed under; undefined = whichever. */
export const checkInstalled = async (api: KubernetesApi, cluster: string | undefined): Promise<Finding> => {
  const installed = await findInstalledCluster(api)
  if (installed === undefined) return { check: 'installed', status: 'ok', message: 'Atoll is not installed yet' }
  if (cluster === undefined || cluster === installed)
    return { check: 'installed', status: 'ok', message: `Atoll is installed as cluster ${installed}` }
  return {
    check: 'installed',
    status: 'failure',
    code: 'other_cluster',
    message: `Atoll is installed there as cluster ${installed}`,
    remedy: `Join it as ${installed}, or run "atoll cluster uninstall ${installed}" first.`,
  }
}

/** Name of the cluster that Atoll is installed as. */
export const findInstalledCluster = async (api: KubernetesApi): Promise<string | undefined> => {
  const namespace = await api.find({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: systemNamespace } })
  return namespace?.metadata.annotations[clusterAnnotation]
}
