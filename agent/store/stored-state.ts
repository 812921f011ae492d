import { createHash } from 'node:crypto'
import { z } from 'zod'
import { parseJson } from '#mesh/parse-json.ts'
import { stateChange, type StateChange, type StateItem } from '#mesh/state.ts'
import { position, UPLINK_CAPABILITIES, type Position } from '#mesh/uplink.ts'

/** What the plane has told this agent, as of one position of the plane's log. */
export interface StoredState {
  /** null: parts of it could not be read, so it is no position of the plane's log. */
  readonly position: Position | null
  /** The configuration's head revision at that position. */
  readonly revision: number
  /** When the plane said so, milliseconds since the epoch. */
  readonly receivedAt: number
  readonly items: ReadonlyMap<string, StateItem>
  /** An agent has written it that knew less than this one: what it did not understand may be missing. */
  readonly partial?: true
}

/** One step of it: `snapshot` replaces all items, `delta` changes some. */
export interface StateStep {
  readonly mode: 'delta' | 'snapshot'
  readonly position: Position | null
  readonly revision: number
  readonly receivedAt: number
  readonly items: readonly StateChange[]
}

/** A step on disk is cut into frames; `more` on all but its last. */
const stepFrame = z.object({
  mode: z.enum(['delta', 'snapshot']),
  position: position.nullable(),
  revision: z.int(),
  receivedAt: z.number(),
  items: z.array(z.unknown()),
  more: z.boolean(),
  /** What the agent knew that was told this (`toKnown`). Absent: it was of version 0.1. */
  knows: z.array(z.string()).default([]),
})

let schemaHash: string | undefined

/**
 * What this version can take of a state: the plane leaves out what an agent has no capability for, and its schema what it has no field for.
 * The schema counts by what it is, so that nobody has to remember that it has changed.
 */
const toKnown = (): readonly string[] => {
  schemaHash ??= createHash('sha256')
    .update(JSON.stringify(z.toJSONSchema(stateChange, { unrepresentable: 'any' })))
    .digest('hex')
  return [...UPLINK_CAPABILITIES, `schema ${schemaHash.slice(0, 16)}`]
}

const frameChars = 256 * 1024

/** The JSON texts of a step's frames. */
export const toStepFrames = function* (step: StateStep): Generator<string> {
  const { mode, position: at, revision, receivedAt } = step
  const knows = toKnown()
  const toFrame = (items: readonly string[], more: boolean): string =>
    `${JSON.stringify({ mode, position: at, revision, receivedAt, more, knows }).slice(0, -1)},"items":[${items.join(',')}]}`
  let items: string[] = []
  let chars = 0
  for (const item of step.items) {
    const text = JSON.stringify(item)
    if (items.length > 0 && chars + text.length > frameChars) {
      yield toFrame(items, true)
      items = []
      chars = 0
    }
    items.push(text)
    chars += text.length
  }
  yield toFrame(items, false)
}

/** Puts a state together from the frames of its steps; a step counts once its last frame is there. */
export class StateReader {
  readonly #items = new Map<string, StateItem>()
  #pending: StateChange[] = []
  #last: Omit<z.infer<typeof stepFrame>, 'items' | 'more'> | undefined
  /** Items that this version of the agent does not understand. */
  skipped = 0

  read(text: string): 'last' | 'more' | 'bad' {
    const frame = stepFrame.safeParse(parseJson(text))
    if (!frame.success) return 'bad'
    for (const item of frame.data.items) {
      const change = stateChange.safeParse(item)
      if (change.success) this.#pending.push(change.data)
      else this.skipped += 1
    }
    if (frame.data.more) return 'more'
    this.#complete(frame.data)
    return 'last'
  }

  /** undefined: not one whole step was read. */
  get state(): StoredState | undefined {
    if (!this.#last) return undefined
    const { position: at, revision, receivedAt, knows } = this.#last
    const partial = !toKnown().every((known) => knows.includes(known))
    return {
      position: this.skipped > 0 ? null : at,
      revision,
      receivedAt,
      items: this.#items,
      ...(partial && { partial }),
    }
  }

  #complete(step: z.infer<typeof stepFrame>): void {
    if (step.mode === 'snapshot') this.#items.clear()
    for (const { key, item } of this.#pending) {
      if (item) this.#items.set(key, item)
      else this.#items.delete(key)
    }
    this.#pending = []
    this.#last = step
  }
}
