import { toUtf8 } from '../../encode-bytes.ts'
import type { Cell, Columns } from './record-table.ts'

/** A column as it is written: its cells, or places in a dictionary of them where cells come again and again. */
type PackedColumn =
  | { readonly cells: readonly Cell[] }
  | { readonly words: readonly Cell[]; readonly at: readonly number[] }

interface Packed {
  readonly rows: number
  readonly columns: Readonly<Record<string, PackedColumn>>
}

/** More than this many different cells are no dictionary. */
const MAX_WORDS_SHARE = 0.5

const packColumn = (cells: readonly Cell[]): PackedColumn => {
  const places = new Map<Cell, number>()
  const at: number[] = []
  for (const cell of cells) {
    const known = places.get(cell)
    at.push(known ?? places.size)
    if (known !== undefined) continue
    places.set(cell, places.size)
    if (places.size > cells.length * MAX_WORDS_SHARE + 1) return { cells }
  }
  return { words: [...places.keys()], at }
}

const unpackColumn = (column: PackedColumn): readonly Cell[] =>
  'cells' in column ? column.cells : column.at.map((place) => column.words[place] ?? null)

const pipe = (bytes: BufferSource, through: CompressionStream | DecompressionStream): Promise<ArrayBuffer> =>
  new Response(new Blob([bytes]).stream().pipeThrough(through)).arrayBuffer()

/** Columns as bytes, as they are stored until they are archived: gzip of JSON, which the runtime does in native code. */
export const packColumns = async ({ rows, columns }: Columns): Promise<Uint8Array<ArrayBuffer>> => {
  const packed: Packed = {
    rows,
    columns: Object.fromEntries(Array.from(columns, ([name, cells]) => [name, packColumn(cells)])),
  }
  return new Uint8Array(await pipe(toUtf8(JSON.stringify(packed)), new CompressionStream('gzip')))
}

export const unpackColumns = async (bytes: Uint8Array<ArrayBuffer>): Promise<Columns> => {
  const text = new TextDecoder().decode(await pipe(bytes, new DecompressionStream('gzip')))
  const { rows, columns } = JSON.parse(text) as Packed
  return { rows, columns: new Map(Object.entries(columns).map(([name, column]) => [name, unpackColumn(column)])) }
}
