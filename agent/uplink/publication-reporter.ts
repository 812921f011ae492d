import type { ConfigObject } from '#mesh/config-object.ts'
import { isOverride, PRECEDENCE_ANNOTATION } from '#mesh/merge/precedence-table.ts'
import { setOrDelete } from '#mesh/merge/set-or-delete.ts'
import { asksToBePublished, PUBLISH_ANNOTATION } from '#mesh/publishing/publish-annotations.ts'
import {
  UPLINK_CHUNK_CHARS,
  UPLINK_MAX_OBJECT_CHARS,
  UPLINK_MAX_PUBLISHED,
  UPLINK_MAX_PUBLISHED_CHARS,
  type AgentMessage,
  type Publication,
  type ReportPosition,
} from '#mesh/uplink.ts'
import { KeyedChanges } from './keyed-changes.ts'

type PublishMessage = Extract<AgentMessage, { type: 'publish' }>

/** What became of an object that asks to be published. */
export interface PublicationState extends Publication {
  /** As in `Publication`, or: `waiting` for the plane's word, `left_out` here, `unsupported` by the plane. */
  readonly state: string
}

interface Candidate {
  readonly object: ConfigObject
  readonly chars: number
}

/**
 * What the plane is told of the cluster's own objects that ask to be published, and what it says became of them. Works as the catalog's
 * report does: changes since the plane acknowledged, one message under way at a time.
 */
export class PublicationReporter {
  readonly #boot: string
  readonly #told = new KeyedChanges<string, ConfigObject>()
  /** All that ask. */
  readonly #candidates = new Map<string, Candidate>()
  /** Why some of them are not told to the plane. */
  readonly #leftOut = new Map<string, string>()
  /** Objects whose annotation is none that we know. */
  readonly #unclear = new Set<string>()
  #count = 0
  #chars = 0
  #term: number | undefined
  #base: number | undefined
  #underWay: number | undefined
  #canPublish: boolean | undefined
  #said = new Map<string, Publication>()
  #chunks: Publication[] = []

  /** `boot`: unique to this start of this replica. */
  constructor(boot: string) {
    this.#boot = boot
  }

  /** The cluster's own objects as they are now, by key; null = gone. */
  update(changes: readonly (readonly [string, ConfigObject | null])[]): void {
    const values: (readonly [string, ConfigObject | undefined])[] = []
    for (const [key, object] of changes) {
      const annotation = object?.metadata.annotations?.[PUBLISH_ANNOTATION]
      if (annotation === undefined || annotation === 'mesh') this.#unclear.delete(key)
      else this.#unclear.add(key)
      this.#release(key)
      const asks = object !== null && asksToBePublished(object.metadata)
      setOrDelete(this.#candidates, key, asks ? { object, chars: JSON.stringify(object).length } : undefined)
      values.push([key, asks ? this.#admit(key) : undefined])
    }
    for (const key of this.#leftOut.keys()) values.push([key, this.#admit(key)])
    this.#told.set(values)
  }

  /** The plane accepted this replica as the reporter; `published` is what it has. `canPublish`: it knows how to. */
  grant(term: number, published: ReportPosition | null | undefined, canPublish: boolean): void {
    this.#canPublish = canPublish
    this.#term = canPublish ? term : undefined
    this.#underWay = undefined
    const known = published?.boot === this.#boot && this.#told.reachesBack(published.sequence)
    this.#base = known ? published.sequence : undefined
    if (known) this.#told.forgetUntil(published.sequence)
  }

  /** Not the reporter (any more), or not connected. What the plane said last is still so, as far as is known. */
  revoke(): void {
    this.#term = undefined
    this.#underWay = undefined
    this.#chunks = []
  }

  get waiting(): boolean {
    return this.#underWay !== undefined
  }

  /** The messages of the next report, if there is something to say and nothing under way. */
  next(): Generator<PublishMessage> | undefined {
    if (this.#term === undefined || this.#underWay !== undefined || this.#base === this.#told.version) return undefined
    this.#underWay = this.#told.version
    return this.#toChunks(this.#term, this.#base)
  }

  /** The plane has everything up to there. */
  acknowledge({ boot, sequence }: ReportPosition): void {
    if (boot !== this.#boot || sequence > this.#told.version) return
    if (this.#underWay !== undefined && sequence >= this.#underWay) this.#underWay = undefined
    this.#base = Math.max(this.#base ?? 0, sequence)
    this.#told.forgetUntil(this.#base)
  }

  /** The plane says what became of all of them. */
  hear(publications: readonly Publication[], more: boolean): void {
    this.#chunks.push(...publications)
    if (more) return
    this.#said = new Map(this.#chunks.map((publication) => [publication.key, publication]))
    this.#chunks = []
  }

  /** What became of the objects that ask to be published, as far as is known here; of the reporter's replica, what the plane said last. */
  states(): readonly PublicationState[] {
    return [...this.#candidates.keys()].flatMap((key) => this.stateOf(key) ?? [])
  }

  /** The same of one object; undefined = it does not ask. */
  stateOf(key: string): PublicationState | undefined {
    if (!this.#candidates.has(key)) return undefined
    const leftOut = this.#leftOut.get(key)
    if (leftOut !== undefined) return { key, state: 'left_out', message: leftOut }
    if (this.#canPublish === false)
      return { key, state: 'unsupported', message: 'the plane is of a version that publishes nothing' }
    return this.#said.get(key) ?? { key, state: 'waiting' }
  }

  /** One line for each thing that a person should know of. */
  *problems(): Iterable<string> {
    for (const { key, state, path, message } of this.states()) {
      if (state !== 'published' && state !== 'waiting')
        yield `${key}: asks to be published and is not (${state}): ${path ? `${path} ` : ''}${message ?? ''}`
      const metadata = this.#candidates.get(key)?.object.metadata
      if (metadata && isOverride(metadata))
        yield `${key}: ${PRECEDENCE_ANNOTATION} has no effect on what a cluster publishes`
    }
    for (const key of this.#unclear) yield `${key}: the annotation ${PUBLISH_ANNOTATION} can only be "mesh"`
  }

  /** Counts a candidate in and answers it, or notes why there is no room for it. Who is in stays in. */
  #admit(key: string): ConfigObject | undefined {
    const candidate = this.#candidates.get(key)
    if (!candidate) return undefined
    const reason = this.#findObstacle(candidate)
    setOrDelete(this.#leftOut, key, reason)
    if (reason !== undefined) return undefined
    this.#count += 1
    this.#chars += candidate.chars
    return candidate.object
  }

  #findObstacle({ chars }: Candidate): string | undefined {
    if (chars > UPLINK_MAX_OBJECT_CHARS) return `is longer than ${UPLINK_MAX_OBJECT_CHARS} characters of JSON`
    if (this.#count >= UPLINK_MAX_PUBLISHED) return `a cluster may have ${UPLINK_MAX_PUBLISHED} objects published`
    if (this.#chars + chars > UPLINK_MAX_PUBLISHED_CHARS)
      return `what a cluster has published may be ${UPLINK_MAX_PUBLISHED_CHARS} characters of JSON long together`
    return undefined
  }

  #release(key: string): void {
    const before = this.#candidates.get(key)
    if (!before || this.#leftOut.delete(key)) return
    this.#count -= 1
    this.#chars -= before.chars
  }

  *#toChunks(term: number, base: number | undefined): Generator<PublishMessage> {
    const keys = this.#told.since(base)
    const common = {
      type: 'publish' as const,
      term,
      mode: base === undefined ? ('full' as const) : ('delta' as const),
      position: { boot: this.#boot, sequence: this.#told.version },
    }
    const removes = keys.filter((key) => this.#told.get(key) === undefined)
    let upserts: ConfigObject[] = []
    let chars = 0
    for (const object of keys.flatMap((key) => this.#told.get(key) ?? [])) {
      const { length } = JSON.stringify(object)
      if (upserts.length > 0 && chars + length > UPLINK_CHUNK_CHARS) {
        yield { ...common, upserts, removes: [], more: true }
        upserts = []
        chars = 0
      }
      upserts.push(object)
      chars += length
    }
    if (chars + removes.join().length > UPLINK_CHUNK_CHARS) {
      yield { ...common, upserts, removes: [], more: true }
      upserts = []
    }
    yield { ...common, upserts, removes, more: false }
  }
}
