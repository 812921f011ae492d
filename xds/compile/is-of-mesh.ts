import type { MeshView } from '#mesh/view.ts'

/** Whether identities of a trust domain are the mesh's workloads. Istio reference: MeshConfig.trustDomainAliases. */
export const isOfMesh = (view: MeshView, trustDomain: string): boolean =>
  trustDomain === view.settings().trustDomain || view.meshConfig().trustDomainAliases.includes(trustDomain)
