import { pickRows } from '../records/record-table.ts'
import type { Columns } from '../records/record-table.ts'

const DAY_US = 24 * 60 * 60 * 1_000_000

const toDay = (timeUs: number): string => new Date(timeUs / 1000).toISOString().slice(0, 10)

/** Records day by day (UTC), those of each sorted by time, in the order of their numbers where that is the same. */
export const sortByDay = (records: Columns): readonly (readonly [day: string, records: Columns])[] => {
  const times = (records.columns.get('time') ?? []).map(Number)
  const order = Array.from({ length: records.rows }, (_, row) => row).sort(
    (a, b) => (times[a] ?? 0) - (times[b] ?? 0) || a - b,
  )
  const days: [string, Columns][] = []
  let start = 0
  for (let index = 1; index <= order.length; index += 1) {
    const [before, next] = [order[index - 1], order[index]].map((row) =>
      row === undefined ? undefined : Math.floor((times[row] ?? 0) / DAY_US),
    )
    if (before === next) continue
    days.push([toDay((before ?? 0) * DAY_US), pickRows(records, order.slice(start, index))])
    start = index
  }
  return days
}
