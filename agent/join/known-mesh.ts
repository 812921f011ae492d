import { meshSettings, type MeshSettings } from '#mesh/settings.ts'
import { stateKeys, type StateItem } from '#mesh/state.ts'
import { trustState, type Issuance, type TrustState } from '#mesh/trust.ts'
import type { JoinResponse } from '#mesh/join.ts'

/** What is known of the mesh: what the plane's state says, and until it says something what was told at joining. */

export const settingsOf = (
  { meshId, mesh, trustDomain }: JoinResponse,
  state: ReadonlyMap<string, StateItem>,
): MeshSettings => {
  const item = state.get(stateKeys.settings())
  return item?.kind === 'settings' ? item.value : meshSettings.parse({ meshId, meshName: mesh, trustDomain })
}

export const trustOf = (
  { cluster, certificatePem, rootsPem }: JoinResponse,
  state: ReadonlyMap<string, StateItem>,
): TrustState => {
  const item = state.get(stateKeys.trust())
  if (item?.kind === 'trust') return item.value
  return trustState.parse({ roots: rootsPem, intermediates: [{ cluster, pem: certificatePem }], epoch: 0 })
}

/** undefined: the plane says nothing of it. */
export const issuanceOf = ({ cluster }: JoinResponse, state: ReadonlyMap<string, StateItem>): Issuance | undefined => {
  const item = state.get(stateKeys.issuance(cluster))
  return item?.kind === 'issuance' ? item.value : undefined
}
