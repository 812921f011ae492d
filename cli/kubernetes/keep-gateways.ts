import { egressGateway, ingressGateway } from '#mesh/kubernetes/installed-gateways.ts'
import type { InstalledGateway } from '#mesh/kubernetes/installed-gateways.ts'
import type { KubernetesApi } from './kubernetes-api.ts'
import type { InstallSettings } from './manifests/install-settings.ts'

type Wanted = Pick<InstallSettings, 'ingressGateway' | 'egressGateway'>

/** Which gateways an installation has: where nothing is said of one it stays as it is, since with it its address would go. */
export const keepGateways = async (
  api: Pick<KubernetesApi, 'find'>,
  wanted: Wanted,
  note: (line: string) => void,
): Promise<Wanted> => {
  const keep = async (gateway: InstalledGateway, isWanted: boolean | undefined, option: string): Promise<boolean> => {
    if (isWanted !== undefined) return isWanted
    const { namespace, name } = gateway
    const service = await api.find({ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name } })
    if (service) note(`${namespace}/${name} is kept; ${option} removes it`)
    return service !== undefined
  }
  return {
    ingressGateway: await keep(ingressGateway, wanted.ingressGateway, '--no-ingress-gateway'),
    egressGateway: await keep(egressGateway, wanted.egressGateway, '--no-egress-gateway'),
  }
}
