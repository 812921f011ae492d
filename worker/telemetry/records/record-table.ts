/** One value of a record; null: the record does not have it. Maps are here as JSON. */
export type Cell = string | number | null

/** Columns of the same length, by name. One that is absent is null for every record. */
export interface Columns {
  readonly rows: number
  readonly columns: ReadonlyMap<string, readonly Cell[]>
}

/** Of one batch: a record's number has room for so many, and a Worker's memory for so much text. */
const MAX_RECORDS = 65_536
const MAX_CHARS = 32 * 1024 * 1024

/** Records as they come in, turned into columns. */
export class RecordTable implements Columns {
  readonly columns = new Map<string, Cell[]>()
  rows = 0
  #chars = 0

  /** What a resource says is said again by each of its records: a small batch can be a large table. */
  get isFull(): boolean {
    return this.rows >= MAX_RECORDS || this.#chars >= MAX_CHARS
  }

  /** The fields that are set from now on are those of another record. */
  begin(): void {
    this.rows += 1
    for (const column of this.columns.values()) column.push(null)
  }

  set(name: string, value: Cell): void {
    let column = this.columns.get(name)
    if (!column) {
      column = Array.from<Cell>({ length: this.rows }).fill(null)
      this.columns.set(name, column)
    }
    column[this.rows - 1] = value
    if (typeof value === 'string') this.#chars += value.length
  }
}

/** Of a cell that is no text, with its share of what columns are made of. */
const CELL_BYTES = 8

/** What they take in memory once every cell stands for itself, about: packed, a text that comes again is there once. */
export const measureColumns = ({ columns }: Columns): number => {
  let size = 0
  for (const cells of columns.values())
    for (const cell of cells) size += typeof cell === 'string' ? cell.length + CELL_BYTES : CELL_BYTES
  return size
}

/** These records of them, in this order. */
export const pickRows = ({ columns }: Columns, rows: readonly number[]): Columns => ({
  rows: rows.length,
  columns: new Map(Array.from(columns, ([name, cells]) => [name, rows.map((row) => cells[row] ?? null)] as const)),
})

export const sliceRows = ({ columns }: Columns, start: number, end: number): Columns => ({
  rows: end - start,
  columns: new Map(Array.from(columns, ([name, cells]) => [name, cells.slice(start, end)] as const)),
})

/** One after the other. */
export const joinColumns = (parts: readonly Columns[]): Columns => {
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  const names = new Set(parts.flatMap(({ columns }) => [...columns.keys()]))
  const columns = new Map<string, Cell[]>()
  for (const name of names) {
    const cells: Cell[] = []
    for (const part of parts) {
      const own = part.columns.get(name)
      for (let row = 0; row < part.rows; row += 1) cells.push(own?.[row] ?? null)
    }
    columns.set(name, cells)
  }
  return { rows, columns }
}
