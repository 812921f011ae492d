import { firstRow } from '../context.ts'

/** In their order. What each waits for is in judge-rotation.ts. */
export const rotationSteps = ['trust-both', 'reissue-intermediates', 'distribute', 'reissue-leaves', 'retire'] as const
export type RotationStep = (typeof rotationSteps)[number]

/** What a rotation waits for: `code` for programs, `message` for people. */
export interface Wait {
  readonly code: 'away' | 'too_old' | 'silent' | 'behind' | 'untrusting' | 'unproven' | 'issuer' | 'no_room'
  readonly cluster: string | null
  readonly proxy: string | null
  readonly message: string
}

export interface KnownWait extends Wait {
  /** Milliseconds since the epoch. */
  readonly since: number
}

interface StepTime {
  readonly step: RotationStep | 'done'
  readonly direction: 'forward' | 'back'
  readonly at: number
}

/** A rotation of the root: from one, which is to go, to another. One that is rolled back has changed them. Times are milliseconds since the epoch. */
export interface Rotation {
  readonly number: number
  readonly reason: 'asked' | 'expiring' | 'taken_over'
  readonly direction: 'forward' | 'back'
  readonly step: RotationStep | 'done'
  readonly paused: boolean
  /** Key ids. */
  readonly fromRoot: string
  readonly toRoot: string
  readonly fromSerial: string
  readonly toSerial: string
  readonly graceMs: number
  /** The version of the trust that agents are to hold in this step. */
  readonly told: number
  readonly metSince: number | null
  readonly startedAt: number
  readonly endedAt: number | null
  readonly leftBehind: readonly string[]
  readonly steps: readonly StepTime[]
  readonly waits: readonly KnownWait[]
  /** How many there are in all. */
  readonly waiting: number
}

interface Columns extends Record<string, SqlStorageValue> {
  number: number
  reason: Rotation['reason']
  direction: Rotation['direction']
  step: Rotation['step']
  paused: number
  fromRoot: string
  toRoot: string
  fromSerial: string
  toSerial: string
  graceMs: number
  told: number
  metSince: number | null
  startedAt: number
  endedAt: number | null
  leftBehind: string
  steps: string
  waits: string
  waiting: number
}

const columns = `number, reason, direction, step, paused, from_root AS fromRoot, to_root AS toRoot, from_serial AS fromSerial, to_serial AS toSerial,
  grace_ms AS graceMs, told, met_since AS metSince, started_at AS startedAt, ended_at AS endedAt, left_behind AS leftBehind, steps, waits, waiting`

const toRotation = (row: Columns): Rotation => ({
  ...row,
  paused: row.paused === 1,
  leftBehind: JSON.parse(row.leftBehind) as string[],
  steps: JSON.parse(row.steps) as StepTime[],
  waits: JSON.parse(row.waits) as KnownWait[],
})

/** The one that is under way. */
export const findRotation = (sql: SqlStorage): Rotation | undefined => {
  const row = firstRow(sql.exec<Columns>(`SELECT ${columns} FROM rotations WHERE ended_at IS NULL`))
  return row && toRotation(row)
}

/** The one that is under way, or that was last. */
export const findLastRotation = (sql: SqlStorage): Rotation | undefined => {
  const row = firstRow(sql.exec<Columns>(`SELECT ${columns} FROM rotations ORDER BY number DESC LIMIT 1`))
  return row && toRotation(row)
}

/** Of the rotations before, this many are remembered. */
const MAX_ROTATIONS = 20

export const insertRotation = (
  sql: SqlStorage,
  row: Pick<
    Rotation,
    'reason' | 'step' | 'fromRoot' | 'toRoot' | 'fromSerial' | 'toSerial' | 'graceMs' | 'told' | 'startedAt'
  >,
): void => {
  const steps: readonly StepTime[] = [{ step: row.step, direction: 'forward', at: row.startedAt }]
  sql.exec(
    `INSERT INTO rotations (reason, direction, step, from_root, from_serial, to_root, to_serial, grace_ms, told, started_at, steps)
     VALUES (?, 'forward', ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    row.reason,
    row.step,
    row.fromRoot,
    row.fromSerial,
    row.toRoot,
    row.toSerial,
    row.graceMs,
    row.told,
    row.startedAt,
    JSON.stringify(steps),
  )
  sql.exec('DELETE FROM rotations WHERE number <= (SELECT max(number) FROM rotations) - ?', MAX_ROTATIONS)
}

export type RotationChanges = Partial<Omit<Rotation, 'number' | 'reason' | 'startedAt' | 'graceMs'>>

/** Writes the one that is under way. */
export const updateRotation = (sql: SqlStorage, rotation: Rotation, changes: RotationChanges): Rotation => {
  const row = { ...rotation, ...changes }
  sql.exec(
    `UPDATE rotations SET direction = ?, step = ?, paused = ?, from_root = ?, from_serial = ?, to_root = ?, to_serial = ?, told = ?,
       met_since = ?, ended_at = ?, left_behind = ?, steps = ?, waits = ?, waiting = ? WHERE number = ?`,
    row.direction,
    row.step,
    row.paused ? 1 : 0,
    row.fromRoot,
    row.fromSerial,
    row.toRoot,
    row.toSerial,
    row.told,
    row.metSince,
    row.endedAt,
    JSON.stringify(row.leftBehind),
    JSON.stringify(row.steps),
    JSON.stringify(row.waits),
    row.waiting,
    row.number,
  )
  return row
}
