import { createBlock, putSeries } from './block.ts'
import type { Block } from './block.ts'
import { encodeBlock } from './block-codec.ts'

/** So much is in one row, as it is in memory: packed it is a tenth or less, but for numbers that somebody chose so that it is not. */
const SHARD_BYTES = 12 * 1024 * 1024
/** A row of SQLite has 2 MB. */
export const MAX_BODY_BYTES = 1_500_000

/** A block, or some series of it. */
export interface Shard {
  /** As it is in memory. */
  readonly bytes: number
  readonly body: Uint8Array<ArrayBuffer>
}

/** The block as several that are not larger than this, unless one series is. */
const splitBlock = (block: Block, mostBytes: number): Block[] => {
  const first = createBlock()
  first.folded = block.folded
  const parts = [first]
  let part = first
  for (const [key, series] of block.series) {
    if (part.bytes > mostBytes) parts.push((part = createBlock()))
    putSeries(part, key, series)
  }
  return parts
}

/** A block as rows that SQLite has room for. */
export const encodeShards = async (block: Block, mostBytes = SHARD_BYTES): Promise<Shard[]> => {
  const shards: Shard[] = []
  for (const part of splitBlock(block, mostBytes)) {
    const body = await encodeBlock(part)
    if (body.length <= MAX_BODY_BYTES || part.series.size < 2) shards.push({ bytes: part.bytes, body })
    else shards.push(...(await encodeShards(part, Math.floor(part.bytes / 2))))
  }
  return shards
}
