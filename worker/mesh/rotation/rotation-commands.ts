import { ok } from '#mesh/result.ts'
import { writeAudit } from '../audit.ts'
import type { Initiator } from '../audit.ts'
import { findMember } from '../clusters.ts'
import type { MeshContext } from '../context.ts'
import { refuse } from '../refusal.ts'
import type { Outcome } from '../refusal.ts'
import { listRoots } from '../roots.ts'
import type { RootRow } from '../roots.ts'
import type { Sessions } from '../uplink/sessions.ts'
import { enterStep, tell } from './advance-rotation.ts'
import { findRotation, insertRotation, updateRotation } from './rotation-row.ts'
import type { Rotation } from './rotation-row.ts'

const none = refuse('conflict', 'no rotation of the root is under way')

/** Begins a rotation between two roots that are there. Both are trusted from now on. */
export const beginRotation = (
  context: MeshContext,
  roots: { readonly from: RootRow; readonly to: Pick<RootRow, 'keyId' | 'serial'> },
  facts: Pick<Rotation, 'reason' | 'graceMs'>,
  initiator: Initiator,
): void => {
  const { sql, now } = context
  const { from, to } = roots
  insertRotation(sql, {
    ...facts,
    step: 'trust-both',
    fromRoot: from.keyId,
    fromSerial: from.serial,
    toRoot: to.keyId,
    toSerial: to.serial,
    told: 0,
    startedAt: now(),
  })
  const rotation = findRotation(sql)
  if (rotation) tell(context, rotation)
  writeAudit(context, initiator, {
    action: 'rotation.start',
    target: to.serial,
    detail: { reason: facts.reason, from: from.serial },
  })
}

/** Nothing is begun any more; what has been begun goes on. */
export const pauseRotation = (context: MeshContext, paused: boolean, initiator: Initiator): Outcome<null> => {
  const { sql } = context
  const rotation = findRotation(sql)
  if (!rotation) return none
  if (rotation.paused === paused) return ok(null)
  updateRotation(sql, rotation, { paused, metSince: null })
  writeAudit(context, initiator, {
    action: paused ? 'rotation.pause' : 'rotation.resume',
    target: rotation.toSerial,
    detail: { step: rotation.step },
  })
  return ok(null)
}

/**
 * Goes back to the root that was to go: by the same steps, with the roots changed. So nothing is taken from anybody before everybody has what
 * takes its place.
 */
export const rollBackRotation = (context: MeshContext, initiator: Initiator): Outcome<null> => {
  const { sql } = context
  const rotation = findRotation(sql)
  if (!rotation) return none
  if (rotation.direction === 'back') return ok(null)
  sql.exec(`UPDATE certificates SET state = 'retired' WHERE state = 'prepared'`)
  sql.exec('UPDATE roots SET trusted = 1 WHERE key_id IN (?, ?)', rotation.fromRoot, rotation.toRoot)
  writeAudit(context, initiator, {
    action: 'rotation.rollback',
    target: rotation.toSerial,
    detail: { step: rotation.step, to: rotation.fromSerial },
  })
  const back = enterStep(context, rotation, 'trust-both', initiator, {
    direction: 'back',
    paused: false,
    fromRoot: rotation.toRoot,
    fromSerial: rotation.toSerial,
    toRoot: rotation.fromRoot,
    toSerial: rotation.fromSerial,
  })
  tell(context, back)
  return ok(null)
}

/** A person says that the others need not wait for a cluster which has been away for longer than the rotation's grace. */
export const continueWithout = (
  context: MeshContext,
  sessions: Sessions,
  name: string,
  initiator: Initiator,
): Outcome<null> => {
  const { sql, now } = context
  const rotation = findRotation(sql)
  if (!rotation) return none
  const cluster = findMember(sql, name)
  if (!cluster) return refuse('not_found', `there is no cluster ${name}`)
  if (rotation.leftBehind.includes(name)) return ok(null)
  if (sessions.ofCluster(name).length > 0)
    return refuse(
      'conflict',
      `an agent of ${name} is connected: bring it into a state that it can follow in, or evict the cluster`,
    )
  const awaySince = cluster.lastSeenAt ?? cluster.joinedAt
  const graceEnds = awaySince + rotation.graceMs
  if (now() < graceEnds)
    return refuse(
      'conflict',
      `${name} has been away since ${new Date(awaySince).toISOString()}: its grace ends at ${new Date(graceEnds).toISOString()}`,
    )
  updateRotation(sql, rotation, { leftBehind: [...rotation.leftBehind, name], metSince: null })
  writeAudit(context, initiator, {
    action: 'rotation.continue',
    target: name,
    cluster: name,
    detail: { step: rotation.step, awaySince: new Date(awaySince).toISOString() },
  })
  return ok(null)
}

/** What the roots need that nobody has asked for. */
export type DueRotation =
  | { readonly kind: 'none' }
  | { readonly kind: 'expiring'; readonly from: RootRow }
  | { readonly kind: 'taken_over'; readonly from: RootRow; readonly to: RootRow }
  | { readonly kind: 'expired'; readonly root: RootRow }

const DAY_MS = 24 * 60 * 60 * 1000
/** A root is rotated this long before it runs out. */
export const ROOT_RENEWAL_MS = 2 * 365 * DAY_MS
export const DEFAULT_GRACE_DAYS = 7

/** Whether the plane makes its successor. */
export const renewsItself = ({ origin }: Pick<RootRow, 'origin'>): boolean => origin === 'plane'

/** Versions before this one made a second root and changed to it by time: what they began is gone on with. */
export const findDueRotation = (sql: SqlStorage, nowMs: number): DueRotation => {
  if (findRotation(sql)) return { kind: 'none' }
  const roots = listRoots(sql)
  const signing = roots.find((root) => root.signing === 1)
  const other = roots.find((root) => root.signing === 0)
  if (!signing) return { kind: 'none' }
  if (other && other.notAfter <= nowMs) return { kind: 'expired', root: other }
  if (other)
    return other.createdAt > signing.createdAt
      ? { kind: 'taken_over', from: signing, to: other }
      : { kind: 'taken_over', from: other, to: signing }
  // Who brought a root brings the next one too: the plane's own in its place is nobody's wish.
  return renewsItself(signing) && signing.notAfter - nowMs < ROOT_RENEWAL_MS
    ? { kind: 'expiring', from: signing }
    : { kind: 'none' }
}
