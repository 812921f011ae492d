import { planeInitiator, writeAudit } from '../audit.ts'
import type { Initiator } from '../audit.ts'
import type { MeshContext } from '../context.ts'
import { clustersOf, listIssuers } from '../issuer-list.ts'
import { readMeshRow } from '../mesh-row.ts'
import { hasRoomForPrepared, writeTrustState } from '../trust.ts'
import type { Sessions } from '../uplink/sessions.ts'
import { judgeRotation } from './judge-rotation.ts'
import type { RotationFacts } from './judge-rotation.ts'
import { findRotation, rotationSteps, updateRotation } from './rotation-row.ts'
import type { KnownWait, Rotation, RotationChanges, RotationStep, Wait } from './rotation-row.ts'
import { isAtLeast } from './signing-place.ts'
import { findHeldByAll, findRenewable, readHolders } from './trust-holders.ts'

/** How many of those that are waited for are named. */
export const MAX_SHOWN_WAITS = 100

export interface AdvanceParts {
  readonly context: MeshContext
  readonly sessions: Sessions
}

/** For so long nothing may be waited for before a step is left: agents and proxies that change places are not seen for a moment. */
const SETTLE_MS = 10_000

/**
 * Brings the rotation that is under way as far on as what agents say allows: one step at most, each in one transaction with what it does. It
 * may be asked at any time, and as often as one likes; what it goes by is measured anew each time.
 */
export const advanceRotation = ({ context, sessions }: AdvanceParts): void => {
  const { sql, now } = context
  const found = findRotation(sql)
  if (!found || found.step === 'done') return
  const rotation = welcomeBack(context, sessions, found)
  if (rotation.step === 'done') return
  if (!rotation.paused && rotation.step === 'retire' && retireOld(context, rotation)) return
  const holders = readHolders(sql, sessions, rotation.leftBehind)
  const waits = [
    ...judgeRotation(readFacts(sql, rotation, rotation.step), holders),
    ...(rotation.step === 'reissue-intermediates' && !hasRoomForPrepared(sql) ? [noRoom] : []),
  ]
  const kept = keepSince(rotation.waits, waits, now())
  const isMet = waits.length === 0
  const metSince = isMet ? (rotation.metSince ?? now()) : null
  const isSame =
    metSince === rotation.metSince &&
    waits.length === rotation.waiting &&
    JSON.stringify(kept) === JSON.stringify(rotation.waits)
  const judged = isSame ? rotation : updateRotation(sql, rotation, { waits: kept, waiting: waits.length, metSince })
  if (metSince === null || rotation.paused || now() - metSince < SETTLE_MS) return
  leaveStep(context, judged, rotation.step)
}

/** When the step may be left, should nothing change; undefined = not by itself. Milliseconds since the epoch. */
export const nextAdvanceMs = (sql: SqlStorage): number | undefined => {
  const rotation = findRotation(sql)
  if (!rotation || rotation.metSince === null || rotation.paused) return undefined
  return rotation.metSince + SETTLE_MS
}

const noRoom: Wait = {
  code: 'no_room',
  cluster: null,
  proxy: null,
  message: 'the intermediates of both roots together are longer than a message: the mesh has too many clusters for it',
}

/** What was waited for before has been since then. */
const keepSince = (before: readonly KnownWait[], waits: readonly Wait[], nowMs: number): KnownWait[] => {
  const toKey = ({ code, cluster, proxy, message }: Wait) => JSON.stringify([code, cluster, proxy ?? message])
  const known = new Map(before.map((wait) => [toKey(wait), wait.since]))
  return waits.slice(0, MAX_SHOWN_WAITS).map((wait) => ({ ...wait, since: known.get(toKey(wait)) ?? nowMs }))
}

/** A cluster that was left behind is as any other as soon as its agents say what they hold. */
const welcomeBack = (context: MeshContext, sessions: Sessions, rotation: Rotation): Rotation => {
  const back = rotation.leftBehind.filter((cluster) =>
    sessions.ofCluster(cluster).some(({ state }) => state.trust !== undefined),
  )
  if (back.length === 0) return rotation
  for (const cluster of back) writeAudit(context, planeInitiator, { action: 'rotation.back', target: cluster, cluster })
  const leftBehind = rotation.leftBehind.filter((cluster) => !back.includes(cluster))
  return updateRotation(context.sql, rotation, { leftBehind, metSince: null })
}

const readFacts = (
  sql: SqlStorage,
  { told, fromRoot, toRoot, leftBehind }: Rotation,
  step: RotationStep,
): RotationFacts => {
  const rows = sql
    .exec<{ cluster: string; fingerprint: string; told: number }>(
      `SELECT cluster, fingerprint, told FROM certificates
       WHERE kind = 'intermediate' AND root = ? AND state IN ('prepared', 'current', 'superseded')`,
      toRoot,
    )
    .toArray()
  const successors = Map.groupBy(rows, ({ cluster }) => cluster)
  const ofOld = new Set(listSerialsOf(sql, fromRoot))
  return {
    step,
    told,
    successors: new Map(
      [...successors].map(([cluster, list]) => [cluster, new Set(list.map(({ fingerprint }) => fingerprint))]),
    ),
    successorsTold: Math.max(0, ...rows.map((row) => row.told)),
    issuers: listIssuers(sql)
      .filter(({ serial }) => ofOld.has(serial))
      .map((row) => ({ name: row.name, clusters: clustersOf(row) })),
    remaining: listRemaining(sql, fromRoot).map((one) => ({ ...one, isLeft: leftBehind.includes(one.cluster) })),
  }
}

const listSerialsOf = (sql: SqlStorage, root: string): string[] =>
  sql
    .exec<{ serial: string }>(`SELECT serial FROM certificates WHERE kind = 'issuer' AND root = ?`, root)
    .toArray()
    .map(({ serial }) => serial)

/** The intermediates of a root that are trusted, or would be, one for each cluster. */
const listRemaining = (sql: SqlStorage, root: string): { cluster: string; notAfter: string }[] =>
  sql
    .exec<{ cluster: string; notAfter: number }>(
      `SELECT cluster, max(not_after) AS notAfter FROM certificates
       WHERE kind = 'intermediate' AND root = ? AND state IN ('prepared', 'current', 'superseded') GROUP BY cluster`,
      root,
    )
    .toArray()
    .map(({ cluster, notAfter }) => ({ cluster, notAfter: new Date(notAfter).toISOString() }))

const leaveStep = (context: MeshContext, rotation: Rotation, step: RotationStep): void => {
  const next = rotationSteps[rotationSteps.indexOf(step) + 1]
  if (next === undefined) return finish(context, rotation)
  enterStep(context, rotation, next, planeInitiator)
}

/** Begins a step, with what it does to the trust. */
export const enterStep = (
  context: MeshContext,
  rotation: Rotation,
  step: RotationStep,
  initiator: Initiator,
  changes: RotationChanges = {},
): Rotation => {
  const { sql, now } = context
  const direction = changes.direction ?? rotation.direction
  const steps = [...rotation.steps.slice(-19), { step, direction, at: now() }]
  const entered = updateRotation(sql, rotation, { ...changes, step, steps, metSince: null, waits: [], waiting: 0 })
  writeAudit(context, initiator, {
    action: 'rotation.step',
    target: entered.toSerial,
    detail: { step, direction, from: entered.fromSerial },
  })
  if (step === 'distribute') return tellPrepared(context, entered)
  if (step === 'retire') retireOld(context, entered)
  return entered
}

/** All agents hear of all new intermediates at once. */
const tellPrepared = (context: MeshContext, rotation: Rotation): Rotation => {
  const { sql, now } = context
  sql.exec(
    `UPDATE certificates SET state = 'superseded', superseded_at = ? WHERE state = 'current' AND kind = 'intermediate'
       AND cluster IN (SELECT cluster FROM certificates WHERE state = 'prepared')`,
    now(),
  )
  sql.exec(`UPDATE certificates SET state = 'current' WHERE state = 'prepared'`)
  return tell(context, rotation)
}

/** Agents are to hold the trust as it is now. */
export const tell = (context: MeshContext, rotation: Rotation): Rotation => {
  writeTrustState(context)
  return updateRotation(context.sql, rotation, { told: readMeshRow(context.sql).trustVersion, metSince: null })
}

/**
 * Ends the trust in what the old root has signed, but for clusters that were left behind, and in that root when nothing of it is left. Answers
 * whether there was anything to end.
 */
const retireOld = (context: MeshContext, rotation: Rotation): boolean => {
  const { sql, now } = context
  const expired = sql
    .exec<{ cluster: string }>(
      `SELECT DISTINCT cluster FROM certificates WHERE kind = 'intermediate' AND root = ? AND not_after <= ?
         AND state IN ('prepared', 'current', 'superseded') AND cluster IN (SELECT value FROM json_each(?))`,
      rotation.fromRoot,
      now(),
      JSON.stringify(rotation.leftBehind),
    )
    .toArray()
  for (const { cluster } of expired)
    writeAudit(context, planeInitiator, { action: 'rotation.expired', target: cluster, cluster })
  const isCaughtUp = (cluster: string) => !rotation.leftBehind.includes(cluster)
  const retiring = listRemaining(sql, rotation.fromRoot)
    .map(({ cluster }) => cluster)
    .filter(isCaughtUp)
    .filter((cluster) => hasSigner(sql, cluster, rotation.toRoot))
  const ended = sql.exec(
    `UPDATE certificates SET state = 'retired' WHERE kind = 'intermediate' AND root = ?1 AND state IN ('prepared', 'current', 'superseded')
       AND (not_after <= ?2 OR cluster IN (SELECT value FROM json_each(?3)))`,
    rotation.fromRoot,
    now(),
    JSON.stringify(retiring),
  ).rowsWritten
  const isLast = listRemaining(sql, rotation.fromRoot).length === 0
  const roots = isLast
    ? sql.exec('UPDATE roots SET trusted = 0 WHERE key_id = ? AND trusted = 1', rotation.fromRoot).rowsWritten
    : 0
  if (ended + roots === 0) return false
  tell(context, rotation)
  return true
}

/** Whether all of a cluster's agents sign by an intermediate of this root, and none of its proxies has another leaf. */
const hasSigner = (sql: SqlStorage, cluster: string, root: string): boolean => {
  const signers = sql
    .exec<{ isOf: number }>(
      `SELECT other_leaves = 0 AND EXISTS (SELECT 1 FROM certificates WHERE certificates.fingerprint = signers.signer AND root = ?2) AS isOf
       FROM signers WHERE cluster = ?1`,
      cluster,
      root,
    )
    .toArray()
  return signers.length > 0 && signers.every(({ isOf }) => isOf === 1)
}

/** The old root's key is destroyed with its row. */
const finish = (context: MeshContext, rotation: Rotation): void => {
  const { sql, now } = context
  sql.exec('UPDATE roots SET signing = (key_id = ?)', rotation.toRoot)
  sql.exec('DELETE FROM roots WHERE key_id = ?', rotation.fromRoot)
  sql.exec(`UPDATE certificates SET state = 'retired' WHERE serial = ?`, rotation.fromSerial)
  const { direction } = rotation
  updateRotation(sql, rotation, {
    step: 'done',
    steps: [...rotation.steps, { step: 'done', direction, at: now() }],
    endedAt: now(),
    waits: [],
    waiting: 0,
    leftBehind: [],
  })
  const detail = { outcome: direction === 'forward' ? 'rotated' : 'rolled back', retired: rotation.fromSerial }
  writeAudit(context, planeInitiator, { action: 'rotation.done', target: rotation.toSerial, detail })
}

/** The newest version of the trust such that what it brought may sign: undefined = nothing may. */
export const findHeldVersion = (sql: SqlStorage, sessions: Sessions, nowMs: number): number | undefined => {
  const rotation = findRotation(sql)
  if (!rotation) return findRenewable(readHolders(sql, sessions), nowMs)
  // Before the turn of the new root its intermediates are held, and nobody signs by them.
  return isAtLeast(rotation, 'reissue-leaves')
    ? findHeldByAll(readHolders(sql, sessions, rotation.leftBehind))
    : undefined
}
