import type { AuditChange } from '#api/schemas/audit.ts'

type Fields = Readonly<Record<string, AuditChange['before'] | undefined>>

/** The fields that are others now, with both values; one that is not there is null. */
export const toChanges = (before: Fields, after: Fields): AuditChange[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((what) => {
    const [old, now] = [before[what] ?? null, after[what] ?? null]
    return old === now ? [] : [{ what, before: old, after: now }]
  })
