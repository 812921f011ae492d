import type { Position } from '#mesh/uplink.ts'
import { UPLINK_CHUNK_CHARS } from '#mesh/uplink.ts'

export interface BatchHeader {
  readonly mode: 'delta' | 'snapshot'
  readonly position: Position
  readonly revision: number
}

/**
 * The `changes` messages of one batch, put together from the texts that the log holds: nothing is parsed and written again for
 * each session. A delta with nothing in it is no message, an empty snapshot is one.
 */
export function* toChangeMessages(header: BatchHeader, changes: Iterable<string>): Generator<string> {
  const head = JSON.stringify({ type: 'changes', ...header }).slice(0, -1)
  const toMessage = (items: readonly string[], more: boolean) => `${head},"items":[${items.join(',')}],"more":${more}}`
  let items: string[] = []
  let chars = 0
  for (const change of changes) {
    if (items.length > 0 && chars + change.length > UPLINK_CHUNK_CHARS) {
      yield toMessage(items, true)
      items = []
      chars = 0
    }
    items.push(change)
    chars += change.length
  }
  if (items.length > 0 || header.mode === 'snapshot') yield toMessage(items, false)
}
