import type { AuditChange, AuditEvent } from '#api/schemas/audit.ts'
import { hashNow } from '../hash-now.ts'

/** Changes that an event lists; it tells of the others by their number and a digest over all. */
export const MAX_LISTED_CHANGES = 50
const MAX_TEXT_CHARS = 512
const MAX_NAME_CHARS = 256

/** What was done, as an event tells it. */
export interface AuditFacts {
  readonly action: string
  readonly target: string
  readonly cluster?: string
  readonly outcome?: AuditEvent['outcome']
  readonly detail?: AuditEvent['detail']
  readonly changes?: readonly AuditChange[]
}

const cut = <Value>(value: Value, chars = MAX_TEXT_CHARS): Value | string =>
  typeof value === 'string' && value.length > chars ? `${value.slice(0, chars - 1)}…` : value

/** The facts as they are kept: an event takes some 30 KiB at most, whatever it tells of. */
export const boundFacts = ({ action, target, cluster, outcome = 'done', detail = {}, changes = [] }: AuditFacts) => {
  const listed = changes.slice(0, MAX_LISTED_CHANGES).map(({ what, before, after }) => ({
    what: cut(what, MAX_NAME_CHARS),
    before: cut(before, MAX_NAME_CHARS),
    after: cut(after, MAX_NAME_CHARS),
  }))
  const rest = changes.length - listed.length
  const texts = Object.fromEntries(Object.entries(detail).map(([name, value]) => [name, cut(value)]))
  return {
    action,
    target: cut(target),
    cluster: (cluster ?? null) as AuditEvent['cluster'],
    outcome,
    detail: rest === 0 ? texts : { ...texts, unlisted: rest, changesDigest: hashNow(JSON.stringify(changes)) },
    changes: listed,
  }
}
