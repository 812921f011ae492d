import { parquetMetadataAsync, parquetRead } from 'hyparquet'
import type { AsyncBuffer, FileMetaData } from 'hyparquet'
import type { Cell, Columns } from '../records/record-table.ts'
import type { Segment } from './segments.ts'

/** The end of a file, which holds its metadata but for the largest. */
const FIRST_READ_BYTES = 64 * 1024
/** Files whose metadata an object remembers. */
const MAX_REMEMBERED = 32

/** The object is gone: it was older than it is kept. */
export class SegmentGone extends Error {}

const open = (archive: R2Bucket, { key, bytes }: Segment): AsyncBuffer => ({
  byteLength: bytes,
  slice: async (start, end = bytes) => {
    const object = await archive.get(key, { range: { offset: start, length: end - start } })
    if (!object) throw new SegmentGone(key)
    return object.arrayBuffer()
  },
})

/** Reads columns of row groups out of the archive, and no more of it than these take. */
export class SegmentReader {
  readonly #archive: R2Bucket
  readonly #metadata = new Map<string, FileMetaData>()

  constructor(archive: R2Bucket) {
    this.#archive = archive
  }

  /** Throws SegmentGone. */
  async read(segment: Segment, group: number, names?: readonly string[]): Promise<Columns> {
    const file = open(this.#archive, segment)
    const metadata = await this.#readMetadata(segment, file)
    const rowStart = segment.groups.slice(0, group).reduce((sum, { rows }) => sum + rows, 0)
    const rows = segment.groups[group]?.rows ?? 0
    const columns = new Map<string, Cell[]>()
    await parquetRead({
      file,
      metadata,
      // A file from before a field came about has no such column.
      ...(names && { columns: names.filter((name) => metadata.schema.some((column) => column.name === name)) }),
      rowStart,
      rowEnd: rowStart + rows,
      parsers: {
        timestampFromMicroseconds: Number,
        jsonFromBytes: (bytes: Uint8Array | undefined) => bytes && new TextDecoder().decode(bytes),
      },
      onChunk: ({ columnName, columnData, rowStart: first }) => {
        const cells = columns.get(columnName) ?? Array.from<Cell>({ length: rows }).fill(null)
        columns.set(columnName, cells)
        for (let index = 0; index < columnData.length; index += 1) {
          const row = first - rowStart + index
          if (row >= 0 && row < rows) cells[row] = toCell(columnData[index])
        }
      },
    })
    return { rows, columns }
  }

  async #readMetadata({ key }: Segment, file: AsyncBuffer): Promise<FileMetaData> {
    const known = this.#metadata.get(key)
    if (known) return known
    const metadata = await parquetMetadataAsync(file, { initialFetchSize: FIRST_READ_BYTES })
    const [oldest] = this.#metadata.keys()
    if (oldest !== undefined && this.#metadata.size >= MAX_REMEMBERED) this.#metadata.delete(oldest)
    this.#metadata.set(key, metadata)
    return metadata
  }
}

const toCell = (value: unknown): Cell => {
  if (typeof value === 'bigint') return Number(value)
  return typeof value === 'number' || typeof value === 'string' ? value : null
}
