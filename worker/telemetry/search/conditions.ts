import { mayHold } from '../records/bloom.ts'
import type { Extent } from '../records/describe-columns.ts'
import { fieldsOfGroup, toIndexWord } from '../records/index-words.ts'
import type { WordGroup } from '../records/index-words.ts'
import type { Columns } from '../records/record-table.ts'
import type { RecordSignal } from '../records/signal-fields.ts'

/** What records are searched for. All conditions of a search hold; a field that a record does not have satisfies none. */
export type Condition =
  /** One of a group's fields, or of those that are named of them, has this value. */
  | { readonly kind: 'word'; readonly group: WordGroup; readonly fields?: readonly string[]; readonly value: string }
  | { readonly kind: 'equals' | 'prefix'; readonly field: string; readonly value: string }
  /** One of several, with commas between. */
  | { readonly kind: 'listed'; readonly field: string; readonly value: string }
  | {
      readonly kind: 'between'
      readonly field: string
      readonly least?: number | undefined
      readonly most?: number | undefined
    }
  | { readonly kind: 'any' | 'all'; readonly of: readonly Condition[] }

/** The fields that have to be read to know whether a condition holds. */
export const fieldsOf = (signal: RecordSignal, condition: Condition): readonly string[] => {
  switch (condition.kind) {
    case 'word':
      return condition.fields ?? fieldsOfGroup(signal, condition.group)
    case 'any':
    case 'all':
      return condition.of.flatMap((each) => fieldsOf(signal, each))
    default:
      return [condition.field]
  }
}

/** Whether a condition holds for the record of a row. */
export const toTest = (
  signal: RecordSignal,
  { columns }: Columns,
  condition: Condition,
): ((row: number) => boolean) => {
  if (condition.kind === 'any' || condition.kind === 'all') {
    const tests = condition.of.map((each) => toTest(signal, { columns, rows: 0 }, each))
    return condition.kind === 'any'
      ? (row) => tests.some((test) => test(row))
      : (row) => tests.every((test) => test(row))
  }
  const own = fieldsOf(signal, condition).flatMap((field) => {
    const column = columns.get(field)
    return column ? [column] : []
  })
  if (own.length === 0) return () => false
  switch (condition.kind) {
    case 'word':
      return (row) => own.some((column) => column[row] === condition.value)
    case 'equals':
      return (row) => own[0]?.[row] === condition.value
    case 'prefix':
      return (row) => String(own[0]?.[row] ?? '').startsWith(condition.value)
    case 'listed':
      return (row) =>
        String(own[0]?.[row] ?? '')
          .split(',')
          .includes(condition.value)
    case 'between': {
      const { least = -Infinity, most = Infinity } = condition
      return (row) => {
        const cell = own[0]?.[row]
        return typeof cell === 'number' && cell >= least && cell <= most
      }
    }
  }
}

/** Whether what a catalog knows of some records leaves it open that a condition holds for one of them. */
export const mayHoldIn = (extent: Extent, bloom: Uint8Array | undefined, condition: Condition): boolean => {
  switch (condition.kind) {
    case 'word':
      return bloom === undefined || mayHold(bloom, toIndexWord(condition.group, condition.value))
    case 'between':
      if (condition.field === 'duration_us') return extent.maxDurationUs >= (condition.least ?? 0)
      if (condition.field === 'response_code') return extent.maxCode >= (condition.least ?? 0)
      return true
    case 'any':
      return condition.of.some((each) => mayHoldIn(extent, bloom, each))
    case 'all':
      return condition.of.every((each) => mayHoldIn(extent, bloom, each))
    default:
      return true
  }
}
