import type { ConfigObject } from '#mesh/config-object.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { isOverride, PRECEDENCE_ANNOTATION } from '#mesh/merge/precedence-annotation.ts'
import { setOrDelete } from '#mesh/merge/set-or-delete.ts'
import { asksToBePublished, PUBLISH_ANNOTATION } from '#mesh/publishing/publish-annotations.ts'
import { toScopeTest } from '#mesh/publishing/publish-scope.ts'
import {
  UPLINK_CHUNK_CHARS,
  type AgentMessage,
  type PlaneMessage,
  type Publication,
  type ReportPosition,
} from '#mesh/uplink.ts'
import { findLeftOut, type Asking } from './find-left-out.ts'
import { KeyedChanges } from './keyed-changes.ts'

type PublishMessage = Extract<AgentMessage, { type: 'publish' }>
type PublishedMessage = Extract<PlaneMessage, { type: 'published' }>

/** What became of an object that asks to be published. */
export interface PublicationState extends Publication {
  /** As in `Publication`, or: `waiting` for the plane's word, `left_out` here, `unsupported` by the plane. */
  readonly state: string
}

interface Candidate extends Asking {
  readonly object: ConfigObject
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
  #leftOut: ReadonlyMap<string, string> = new Map()
  /** Objects whose annotation is none that we know. */
  readonly #unclear = new Set<string>()
  #term: number | undefined
  #base: number | undefined
  #underWay: number | undefined
  #canPublish: boolean | undefined
  /** Whether the plane has said, since it accepted this replica, what it has: who is told to it goes by that. */
  #isInformed = false
  #said: ReadonlyMap<string, Publication> = new Map()
  #isGranted = toScopeTest([])
  #chunks: Publication[] = []

  /** `boot`: unique to this start of this replica. */
  constructor(boot: string) {
    this.#boot = boot
  }

  /** The cluster's own objects as they are now, by key; null = gone. */
  update(changes: readonly (readonly [string, ConfigObject | null])[]): void {
    for (const [key, object] of changes) {
      const annotation = object?.metadata.annotations?.[PUBLISH_ANNOTATION]
      if (annotation === undefined || annotation === 'mesh') this.#unclear.delete(key)
      else this.#unclear.add(key)
      setOrDelete(
        this.#candidates,
        key,
        object && asksToBePublished(object.metadata) ? toCandidate(key, object) : undefined,
      )
    }
    this.#admit(changes.map(([key]) => key))
  }

  /** The plane accepted this replica as the reporter; `published` is what it has. `canPublish`: it knows how to. */
  grant(term: number, published: ReportPosition | null | undefined, canPublish: boolean): void {
    this.#canPublish = canPublish
    this.#term = canPublish ? term : undefined
    this.#underWay = undefined
    this.#isInformed = false
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
    if (this.#term === undefined || !this.#isInformed || this.#underWay !== undefined) return undefined
    if (this.#base === this.#told.version) return undefined
    this.#underWay = this.#told.version
    return this.#toChunks(this.#term, this.#told.reachable(this.#base))
  }

  /** The plane has everything up to there. */
  acknowledge({ boot, sequence }: ReportPosition): void {
    if (boot !== this.#boot || sequence > this.#told.version) return
    if (this.#underWay !== undefined && sequence >= this.#underWay) this.#underWay = undefined
    this.#base = Math.max(this.#base ?? 0, sequence)
    this.#told.forgetUntil(this.#base)
  }

  /** The plane says what became of all of them, and what this cluster may publish. */
  hear({ publications, grants, more }: Omit<PublishedMessage, 'type'>): void {
    this.#chunks.push(...publications)
    if (more) return
    this.#said = new Map(this.#chunks.map((publication) => [publication.key, publication]))
    this.#isGranted = toScopeTest(grants ?? [])
    this.#chunks = []
    this.#isInformed = true
    this.#admit([])
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

  /** Decides anew who is told to the plane, and tells of those that have changed, come in or fallen out. */
  #admit(changed: readonly string[]): void {
    const before = this.#leftOut
    this.#leftOut = findLeftOut([...this.#candidates.values()], (candidate) => this.#rankOf(candidate))
    const moved = [...before.keys(), ...this.#leftOut.keys()].filter(
      (key) => before.has(key) !== this.#leftOut.has(key),
    )
    const toValue = (key: string) => (this.#leftOut.has(key) ? undefined : this.#candidates.get(key)?.object)
    this.#told.set([...new Set([...changed, ...moved])].map((key) => [key, toValue(key)] as const))
  }

  /** What the mesh has stays there, before all one that has not grown; then comes what may be published. Objects without a grant cost nobody a place. */
  #rankOf({ key, namespace, object }: Candidate): number {
    if (this.#said.get(key)?.revision !== undefined) return isEqualData(this.#told.get(key), object) ? 0 : 1
    return this.#isGranted({ namespace, kind: object.kind }) ? 2 : 3
  }

  *#toChunks(term: number, base: number | undefined): Generator<PublishMessage> {
    const keys = this.#told.since(base)
    const common = {
      type: 'publish' as const,
      term,
      mode: base === undefined ? ('full' as const) : ('delta' as const),
      position: { boot: this.#boot, sequence: this.#told.version },
    }
    let [upserts, removes]: [ConfigObject[], string[]] = [[], []]
    let chars = 0
    for (const key of keys) {
      const object = this.#told.get(key)
      const length = object ? JSON.stringify(object).length : key.length + 3
      if (chars > 0 && chars + length > UPLINK_CHUNK_CHARS) {
        yield { ...common, upserts, removes, more: true }
        ;[upserts, removes, chars] = [[], [], 0]
      }
      if (object) upserts.push(object)
      else removes.push(key)
      chars += length
    }
    yield { ...common, upserts, removes, more: false }
  }
}

const toCandidate = (key: string, object: ConfigObject): Candidate => ({
  key,
  namespace: object.metadata.namespace,
  object,
  chars: JSON.stringify(object).length,
})
