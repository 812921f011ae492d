import { hasLabels } from '#mesh/has-labels.ts'
import { egressGateway, ingressGateway, istioNamespace } from '#mesh/kubernetes/installed-gateways.ts'
import type { InstalledGateway } from '#mesh/kubernetes/installed-gateways.ts'
import { CliError } from '../cli-error.ts'
import type { FoundObject, KubernetesApi } from './kubernetes-api.ts'
import { toObjectText } from './kubernetes-object.ts'
import type { ObjectReference } from './kubernetes-object.ts'
import { referencesAtIstio } from './manifests/build-manifests.ts'
import type { InstallSettings } from './manifests/install-settings.ts'
import { partOfAtoll } from './manifests/object-labels.ts'

/** The namespace of a gateway, true = where it is or is by itself, false = it is to go. Absent = as it is. */
export type GatewayWish = string | boolean | undefined
interface Wishes {
  readonly ingressGateway: GatewayWish
  readonly egressGateway: GatewayWish
}
type Kept = Pick<InstallSettings, 'ingressGateway' | 'egressGateway'>

/** Where no cluster is asked. */
export const toNamespaces = ({ ingressGateway: ingress, egressGateway: egress }: Wishes): Kept => ({
  ingressGateway: toNamespace(ingress, ingressGateway.namespace),
  egressGateway: toNamespace(egress, egressGateway.namespace),
})

const toNamespace = (wish: GatewayWish, present: string): string | undefined =>
  wish === true ? present : wish === false ? undefined : wish

/** Which gateways an installation has: where nothing is said of one it stays as it is, since with it its address would go. */
export const keepGateways = async (
  api: Pick<KubernetesApi, 'find'>,
  wanted: Wishes,
  note: (line: string) => void,
): Promise<Kept> => {
  const keep = async (gateway: InstalledGateway, wish: GatewayWish, option: string): Promise<string | undefined> => {
    if (typeof wish === 'string' || wish === false) return toNamespace(wish, '')
    const namespace = await findNamespace(api, gateway)
    if (wish === undefined && namespace !== undefined)
      note(`${namespace}/${gateway.name} is kept; ${option} removes it`)
    return wish === undefined ? namespace : (namespace ?? gateway.namespace)
  }
  return {
    ingressGateway: await keep(ingressGateway, wanted.ingressGateway, '--no-ingress-gateway'),
    egressGateway: await keep(egressGateway, wanted.egressGateway, '--no-egress-gateway'),
  }
}

const findNamespace = async (
  api: Pick<KubernetesApi, 'find'>,
  { name, namespace }: InstalledGateway,
): Promise<string | undefined> => {
  const toService = (of: string) => ({ apiVersion: 'v1', kind: 'Service', metadata: { namespace: of, name } })
  if (await api.find(toService(namespace))) return namespace
  return (await isInstalled(api, toService(istioNamespace))) ? istioNamespace : undefined
}

/** Whether there is such an object and it is of an installation: in Istio's namespace it may be Istio's. */
export const isInstalled = async (api: Pick<KubernetesApi, 'find'>, reference: ObjectReference): Promise<boolean> => {
  const found = await api.find(reference)
  return found !== undefined && isOfAtoll(found)
}

const isOfAtoll = ({ metadata: { labels } }: FoundObject): boolean => hasLabels(labels, partOfAtoll)

/** What is Istio's in its namespace is not written over. */
export const refuseIstiosGateways = async (api: Pick<KubernetesApi, 'find'>, kept: Kept): Promise<void> => {
  const names = [
    ...(kept.ingressGateway === istioNamespace ? [ingressGateway.name] : []),
    ...(kept.egressGateway === istioNamespace ? [egressGateway.name] : []),
  ]
  for (const reference of referencesAtIstio.filter(({ metadata }) => names.includes(metadata.name))) {
    const found = await api.find(reference)
    if (found === undefined || isOfAtoll(found)) continue
    throw new CliError('conflict', `${toObjectText(reference)} is there, and is not Atoll's; nothing was changed`, {
      remedy: `Take Istio's gateway away first, or have this one in a namespace of its own.`,
    })
  }
}
