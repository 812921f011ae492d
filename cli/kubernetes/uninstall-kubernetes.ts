import { AtollError } from '#api/atoll-error.ts'
import { evictCluster } from '#api/routes/clusters.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { confirmByName } from '../confirm.ts'
import { findProgramFiles } from '../program-files.ts'
import { findInstalledCluster } from './checks/check-kubernetes.ts'
import { clearStatuses } from './clear-statuses.ts'
import { readUpstreamDefinitions } from './custom-resource-definitions.ts'
import { KubernetesApi } from './kubernetes-api.ts'
import { toObjectText } from './kubernetes-object.ts'
import type { ObjectReference } from './kubernetes-object.ts'
import { findNamespacesWithProxies, removeDefinitions, uninstall } from './uninstall.ts'

export interface UninstallOptions {
  readonly context: string
  readonly keepCrds?: true
  readonly keepInMesh?: true
  readonly yes?: true
  readonly timeout: number
}

/** Takes everything of Atoll out of a Kubernetes cluster, and the cluster out of the mesh. Can be run again wherever it was interrupted. */
export const uninstallKubernetes = async (
  context: CliContext,
  name: string,
  options: UninstallOptions,
): Promise<void> => {
  const api = new KubernetesApi(await context.io.connectKubernetes(options.context))
  await refuseOtherCluster(api, name)
  await confirmByName(
    context,
    name,
    `Atoll will be gone from ${api.server}${options.keepInMesh ? '' : `, and cluster ${name} out of the mesh`}`,
    options,
  )
  const injected = await findNamespacesWithProxies(api)
  if (options.keepInMesh !== true) await evict(context, name)

  const removed: string[] = []
  const report = (object: ObjectReference) => {
    removed.push(toObjectText(object))
    context.note(`${toObjectText(object)} removed`)
  }
  const { now, sleep } = context.io
  const time = { now, sleep, timeoutSeconds: options.timeout }
  await uninstall(api, time, report)
  const definitions = readUpstreamDefinitions(findProgramFiles().crds)
  const cleared = await clearStatuses(api, definitions)
  if (cleared > 0) context.note(`Atoll's conditions removed from the statuses of ${cleared} objects`)
  const kept = options.keepCrds === true ? [] : await removeDefinitions(api, definitions, time, report)
  for (const reason of kept) context.note(`CustomResourceDefinition ${reason}: it stays`)
  if (injected.length > 0)
    context.note(`Pods in ${injected.join(', ')} keep their proxies until they are restarted: do that soon.`)
  await context.print({
    value: { cluster: name, removed, kept },
    names: removed,
    table: () => (removed.length === 0 ? 'There was nothing of Atoll.' : `Nothing of cluster ${name} is left.`),
  })
}

const refuseOtherCluster = async (api: KubernetesApi, name: string): Promise<void> => {
  const installed = await findInstalledCluster(api)
  if (installed === undefined || installed === name) return
  throw new CliError('conflict', `Atoll is installed there as cluster ${installed}, not ${name}`, {
    remedy: 'Is it the right context?',
  })
}

/** Others stop sending requests before there is nobody to take them. */
const evict = async (context: CliContext, cluster: string): Promise<void> => {
  const mesh = await context.mesh()
  try {
    await context.client().call(evictCluster, { params: { mesh, cluster } })
    context.note(`Cluster ${cluster} is out of mesh ${mesh}`)
  } catch (error) {
    if (!(error instanceof AtollError) || error.code !== 'not_found') throw error
  }
}
