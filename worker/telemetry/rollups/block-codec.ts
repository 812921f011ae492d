import { createBlock, pointAt, seriesOf } from './block.ts'
import type { Block, RollupSeries, SeriesIdentity } from './block.ts'
import { ByteReader, ByteWriter } from './byte-stream.ts'

/**
 * A block as bytes, packed: texts once, then each series with its points. A point is the distance from the slot before it, and of a histogram only the buckets that
 * count something.
 */
const VERSION = 1

class Texts {
  readonly #numbers = new Map<string, number>()

  numberOf(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    this.#numbers.set(text, this.#numbers.size)
    return this.#numbers.size - 1
  }

  write(writer: ByteWriter): void {
    writer.count(this.#numbers.size)
    for (const text of this.#numbers.keys()) writer.text(text)
  }
}

const encodePoints = ({ points, bounds }: RollupSeries): Uint8Array => {
  const writer = new ByteWriter()
  let before = 0
  for (const [slot, point] of [...points].sort(([a], [b]) => a - b)) {
    writer.count(slot - before)
    before = slot
    writer.number(point[0] ?? 0)
    if (!bounds) continue
    const filled = point.flatMap((count, index) => (index > 0 && count !== 0 ? [index] : []))
    writer.count(filled.length)
    let last = 0
    for (const index of filled) {
      writer.count(index - last)
      writer.number(point[index] ?? 0)
      last = index
    }
  }
  return writer.finish()
}

const addNumber = (point: number[], index: number, more: number): void => {
  point[index] = (point[index] ?? 0) + more
}

/** A series is there when one of its points is. */
const readPoints = (reader: ByteReader, into: Block, identity: SeriesIdentity, count: number, toSlot: ToSlot): void => {
  /** Of points that are passed over. */
  const nowhere: number[] = []
  let series: RollupSeries | undefined
  let slot = 0
  for (let index = 0; index < count; index++) {
    slot += reader.count()
    const target = toSlot(slot)
    const point = target === undefined ? nowhere : pointAt(into, (series ??= seriesOf(into, identity)), target)
    addNumber(point, 0, reader.number())
    if (!identity.bounds) continue
    let bucket = 0
    for (let left = reader.count(); left > 0; left--) {
      bucket += reader.count()
      addNumber(point, bucket, reader.number())
    }
  }
}

const writeBlock = ({ series, folded }: Block): Uint8Array<ArrayBuffer> => {
  const texts = new Texts()
  const body = new ByteWriter()
  body.count(folded)
  body.count(series.size)
  for (const each of series.values()) {
    body.count(texts.numberOf(each.name))
    body.count(each.labels.length)
    for (const text of each.labels) body.count(texts.numberOf(text))
    body.count(each.bounds === undefined ? 0 : texts.numberOf(each.bounds.join(',')) + 1)
    body.count(each.points.size)
    body.bytes(encodePoints(each))
  }
  const head = new ByteWriter()
  head.count(VERSION)
  texts.write(head)
  const [first, second] = [head.finish(), body.finish()]
  const bytes = new Uint8Array(first.length + second.length)
  bytes.set(first)
  bytes.set(second, first.length)
  return bytes
}

const parseBounds = (text: string | undefined): readonly number[] => (text ? text.split(',').map(Number) : [])

/** Which series are read, and as which; undefined: they are passed over. */
type Pick = (series: SeriesIdentity, points: number) => SeriesIdentity | undefined
/** To which slot a point is added; undefined: to none. */
type ToSlot = (slot: number) => number | undefined

const readBlock = (into: Block, bytes: Uint8Array, pick: Pick, toSlot: ToSlot): void => {
  const reader = new ByteReader(bytes)
  const version = reader.count()
  if (version !== VERSION) throw new Error(`rollups of version ${version} are not known`)
  const texts = Array.from({ length: reader.count() }, () => reader.text())
  const textAt = (index: number): string => texts[index] ?? ''
  into.folded += reader.count()
  const knownBounds = new Map<number, readonly number[]>()
  for (let left = reader.count(); left > 0; left--) {
    const name = textAt(reader.count())
    const labels: string[] = []
    for (let more = reader.count(); more > 0; more--) labels.push(textAt(reader.count()))
    const boundsIndex = reader.count()
    const bounds = boundsIndex === 0 ? undefined : (knownBounds.get(boundsIndex) ?? parseBounds(texts[boundsIndex - 1]))
    if (bounds) knownBounds.set(boundsIndex, bounds)
    const points = reader.count()
    const length = reader.count()
    const picked = pick({ name, labels, bounds }, points)
    if (picked) readPoints(reader, into, picked, points, toSlot)
    else reader.skip(length)
  }
}

const pump = async (bytes: Uint8Array, through: CompressionStream | DecompressionStream) =>
  new Uint8Array(
    await new Response(new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(through)).arrayBuffer(),
  )

export const encodeBlock = (block: Block): Promise<Uint8Array<ArrayBuffer>> =>
  pump(writeBlock(block), new CompressionStream('deflate-raw'))

/** Adds what is encoded to a block. */
export const decodeInto = async (
  into: Block,
  bytes: Uint8Array,
  pick: Pick = (series) => series,
  toSlot: ToSlot = (slot) => slot,
): Promise<void> => readBlock(into, await pump(bytes, new DecompressionStream('deflate-raw')), pick, toSlot)

export const decodeBlock = async (bytes: Uint8Array): Promise<Block> => {
  const block = createBlock()
  await decodeInto(block, bytes)
  return block
}
