import { buildBloom } from './bloom.ts'
import { toIndexWords } from './index-words.ts'
import type { Cell, Columns } from './record-table.ts'
import type { RecordSignal } from './signal-fields.ts'

/** What a catalog knows of some records without reading them. */
export interface Extent {
  readonly rows: number
  readonly minTimeUs: number
  readonly maxTimeUs: number
  readonly maxDurationUs: number
  /** The highest HTTP status; 0 where there is none. */
  readonly maxCode: number
}

const greatest = (cells: readonly Cell[] | undefined): number =>
  (cells ?? []).reduce<number>((most, cell) => (typeof cell === 'number' && cell > most ? cell : most), 0)

export const toExtent = ({ rows, columns }: Columns): Extent => {
  const times = (columns.get('time') ?? []).filter((cell) => typeof cell === 'number')
  return {
    rows,
    minTimeUs: times.reduce((least, time) => Math.min(least, time), Number.MAX_SAFE_INTEGER),
    maxTimeUs: greatest(times),
    maxDurationUs: greatest(columns.get('duration_us')),
    maxCode: greatest(columns.get('response_code')),
  }
}

export const toBloom = (signal: RecordSignal, columns: Columns): Uint8Array<ArrayBuffer> =>
  buildBloom(toIndexWords(signal, columns))
