import type { ClusterName } from '#mesh/names.ts'
import { stateKeys, type StateItem } from '#mesh/state.ts'
import { issuersIn, type TrustState } from '#mesh/trust.ts'
import type { Position } from '#mesh/uplink.ts'

/** A state of the plane at one position of its log. */
export interface PlaneState {
  /** null: not a position of any log (nothing was ever received, or not all of it could be kept). */
  readonly position: Position | null
  readonly revision: number
  readonly items: ReadonlyMap<string, StateItem>
}

export interface RestoreVerdict {
  /** What would be lost, for a person. Empty = nothing worth asking about. */
  readonly losses: readonly string[]
  /** Its history ends before what is held: even when the objects are written again, they are not the same ones. */
  readonly older: boolean
}

const maxRemovedShare = 0.3

/**
 * Judges a snapshot of another history than the one that is held, as a plane sends it that was restored from a backup or came
 * back empty (DESIGN §6, fail static). In its own history the plane may remove what it likes: people did that.
 */
export const judgeSnapshot = (held: PlaneState, offered: PlaneState, cluster: ClusterName): RestoreVerdict => {
  if (held.items.size === 0 || continuesHistory(held.position, offered.position)) return { losses: [], older: false }
  const older = offered.revision < held.revision
  return {
    older,
    losses: [...revisionLoss(held, offered), ...shareLosses(held, offered), ...trustLosses(held, offered, cluster)],
  }
}

const continuesHistory = (held: Position | null, offered: Position | null): boolean =>
  held !== null && offered !== null && held.epoch === offered.epoch && held.sequence <= offered.sequence

const revisionLoss = (held: PlaneState, offered: PlaneState): string[] =>
  offered.revision < held.revision
    ? [`its configuration is at revision ${offered.revision}, this cluster has revision ${held.revision}`]
    : []

const shareLosses = (held: PlaneState, offered: PlaneState): string[] => {
  const objects = { total: 0, removed: 0 }
  const endpoints = { total: 0, removed: 0 }
  for (const [key, item] of held.items) {
    const now = offered.items.get(key)
    if (item.kind === 'config') {
      objects.total += 1
      if (!now) objects.removed += 1
    }
    endpoints.total += weigh(item)
    endpoints.removed += Math.max(0, weigh(item) - weigh(now))
  }
  return [
    ...(objects.removed > objects.total * maxRemovedShare
      ? [`${objects.removed} of ${objects.total} configuration objects are missing`]
      : []),
    ...(endpoints.removed > endpoints.total * maxRemovedShare
      ? [`${endpoints.removed} of ${endpoints.total} endpoints of other clusters are missing`]
      : []),
  ]
}

/** How many endpoints of another cluster an item stands for: a summary's groups count by their weight. */
const weigh = (item: StateItem | undefined): number => {
  if (item?.kind === 'catalog') return item.value.endpoints.length
  if (item?.kind === 'summary') return item.value.groups.reduce((sum, group) => sum + group.weight, 0)
  return 0
}

const trustLosses = (held: PlaneState, offered: PlaneState, cluster: ClusterName): string[] => {
  const before = trustOf(held)
  const after = trustOf(offered)
  const missingRoots = before.roots.filter((root) => !after.roots.includes(root)).length
  const known = new Set(after.intermediates.map(({ pem }) => pem))
  const cutOff = new Set(before.intermediates.filter(({ pem }) => !known.has(pem)).map((missing) => missing.cluster))
  const isOwnCutOff = cutOff.delete(cluster)
  const missingIssuers = issuersIn(before, cluster).filter(
    ({ pem }) => !issuersIn(after, cluster).some((issuer) => issuer.pem === pem),
  )
  return [
    ...(missingRoots > 0 ? [`${missingRoots} of ${before.roots.length} trusted roots are missing`] : []),
    ...(isOwnCutOff ? ["this cluster's own intermediate certificate is missing"] : []),
    ...(cutOff.size > 0 ? [`intermediate certificates of ${cutOff.size} other clusters are missing`] : []),
    ...missingIssuers.map(({ name }) => `the external issuer ${name} is missing`),
  ]
}

const trustOf = (state: PlaneState): TrustState => {
  const item = state.items.get(stateKeys.trust())
  return item?.kind === 'trust' ? item.value : { roots: [], intermediates: [], epoch: 0 }
}
