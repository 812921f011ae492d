import { listRoots } from '../roots.ts'
import type { RootRow } from '../roots.ts'
import { findRotation, rotationSteps } from './rotation-row.ts'
import type { Rotation, RotationStep } from './rotation-row.ts'

export const isAtLeast = (rotation: Pick<Rotation, 'step'>, step: RotationStep): boolean =>
  rotation.step === 'done' || rotationSteps.indexOf(rotation.step) >= rotationSteps.indexOf(step)

/** Which root is to have signed what signs leaves from now on: by the step of the rotation, if one is under way. */
export const findIssuingRoot = (sql: SqlStorage): RootRow => {
  const rotation = findRotation(sql)
  return findRoot(sql, rotation && (isAtLeast(rotation, 'reissue-intermediates') ? rotation.toRoot : rotation.fromRoot))
}

/**
 * By whom, and how, an intermediate is signed. Of an agent that waits until all others hold it (`waits`) it is the root that is to stay, as soon as
 * all agents know that; while all clusters get such ones, they are told together afterwards. Where it signs leaves at once, that root has
 * its turn when everybody holds intermediates of it.
 */
export const findSigningPlace = (
  sql: SqlStorage,
  waits: boolean,
): { readonly root: RootRow; readonly isPrepared: boolean } => {
  const rotation = findRotation(sql)
  if (!rotation) return { root: findRoot(sql, undefined), isPrepared: false }
  if (waits) return { root: findIssuingRoot(sql), isPrepared: rotation.step === 'reissue-intermediates' }
  const isItsTurn = isAtLeast(rotation, 'reissue-leaves')
  return { root: findRoot(sql, isItsTurn ? rotation.toRoot : rotation.fromRoot), isPrepared: false }
}

const findRoot = (sql: SqlStorage, keyId: string | undefined): RootRow => {
  const root = listRoots(sql).find((each) => (keyId === undefined ? each.signing === 1 : each.keyId === keyId))
  if (!root) throw new Error('the mesh has no root that signs')
  return root
}
