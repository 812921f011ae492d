import type { Delivery, Nack } from '#mesh/uplink.ts'
import type { CompileProblem } from '#xds/incremental/unit.ts'
import { typeUrls, type TypeUrl } from '#xds/type-url.ts'
import type { Rejection } from './quarantine.ts'
import type { Subscription } from './subscription.ts'

/** One stream, as far as delivery is concerned. */
export interface DeliveryTarget {
  /** Everything that was due at this tick is ACKed. */
  readonly settledTick: number
  /** Why nobody knows what is due. */
  readonly blockedBy: CompileProblem | undefined
  readonly subscriptions: ReadonlyMap<TypeUrl, Subscription>
  rejections(): readonly Rejection[]
}

interface Checkpoint {
  readonly revision: number
  readonly tick: number
}

interface Tracked {
  readonly target: DeliveryTarget
  live: number
  /** The oldest revision that is not live yet, and the newest: however fast revisions come, the first one gets its turn. */
  next: Checkpoint | undefined
  latest: Checkpoint | undefined
}

const maxEntries = 20
const maxRevisions = 32
/** As many as `absentProxies` takes (mesh/uplink.ts). */
const maxAbsent = 10_000

/**
 * Which revision is live on which proxy: one that was compiled, while nothing that was due by then is un-ACKed. A proxy that it
 * does not touch has it at once; one that refused something of it, or of one before it, does not get there.
 */
export class DeliveryTracker {
  readonly #onChange: () => void
  readonly #startedProxies: () => readonly string[] | undefined
  /** By proxy, its streams: the newest one speaks for it. */
  readonly #proxies = new Map<string, Tracked[]>()
  readonly #byTarget = new Map<DeliveryTarget, Tracked>()
  #compiled: Checkpoint = { revision: 0, tick: 0 }

  /**
   * `onChange` is called often; it is for the caller to wait until it reports. `startedProxies`: the names of the proxies that run,
   * connected here or not; undefined = nobody tells.
   */
  constructor(onChange: () => void, startedProxies: () => readonly string[] | undefined = () => undefined) {
    this.#onChange = onChange
    this.#startedProxies = startedProxies
  }

  get revision(): number {
    return this.#compiled.revision
  }

  add(proxy: string, target: DeliveryTarget): void {
    const tracked = { target, live: 0, next: this.#compiled, latest: this.#compiled }
    this.#byTarget.set(target, tracked)
    this.#proxies.set(proxy, [...(this.#proxies.get(proxy) ?? []), tracked])
    this.#onChange()
  }

  remove(proxy: string, target: DeliveryTarget): void {
    const left = (this.#proxies.get(proxy) ?? []).filter((tracked) => tracked.target !== target)
    if (left.length > 0) this.#proxies.set(proxy, left)
    else this.#proxies.delete(proxy)
    this.#byTarget.delete(target)
    this.#onChange()
  }

  /** Every set holds this revision now; what changed with it became due at this tick. */
  compiled(revision: number, tick: number): void {
    this.#compiled = { revision, tick }
    for (const tracked of this.#byTarget.values()) {
      tracked.latest = this.#compiled
      tracked.next ??= this.#compiled
      advance(tracked)
    }
    this.#onChange()
  }

  /** A proxy has answered, or has nothing more to answer. */
  update(target: DeliveryTarget): void {
    const tracked = this.#byTarget.get(target)
    if (tracked && advance(tracked)) this.#onChange()
  }

  /** A proxy refused something. */
  refused(): void {
    this.#onChange()
  }

  liveRevision(target: DeliveryTarget): number {
    return this.#byTarget.get(target)?.live ?? 0
  }

  /** Of a proxy, by its name; 0 = none, or it is not connected. */
  liveRevisionOf(proxy: string): number {
    return this.#proxies.get(proxy)?.at(-1)?.live ?? 0
  }

  isSynced(target: DeliveryTarget): boolean {
    const tracked = this.#byTarget.get(target)
    return tracked !== undefined && tracked.latest === undefined && target.rejections().length === 0
  }

  summary(): Delivery {
    const speakers = [...this.#proxies].flatMap(([proxy, streams]) => {
      const tracked = streams.at(-1)
      return tracked ? [{ proxy, tracked }] : []
    })
    const behind = speakers.filter(({ tracked }) => tracked.latest !== undefined)
    const started = this.#startedProxies()
    behind.sort((a, b) => a.tracked.live - b.tracked.live || (a.proxy < b.proxy ? -1 : 1))
    return {
      compiled: this.revision,
      proxies: speakers.length,
      ...(started && {
        started: { proxies: started.length, here: started.filter((proxy) => this.#proxies.has(proxy)).length },
      }),
      live: countRevisions(speakers.map(({ tracked }) => tracked.live)),
      laggards: behind.slice(0, maxEntries).map(({ proxy, tracked }) => ({
        proxy,
        revision: tracked.live,
        waitingFor: toWaitingFor(tracked.target),
      })),
      nacks: speakers.flatMap(({ proxy, tracked }) => toNacks(proxy, tracked.target.rejections())).slice(0, maxEntries),
    }
  }

  /** The objects that proxies do without, as they refuse what these make of a resource. */
  blamed(): readonly { readonly object: string; readonly message: string }[] {
    return [...this.#byTarget.keys()].flatMap((target) =>
      target.rejections().flatMap(({ blamed, type, name }) =>
        blamed.map(({ object, reason }) => ({
          object,
          message: `proxies refuse ${toKind(type)} ${name} as it makes it, and do without it there, or let nobody in where it says who gets in: ${reason.slice(0, 512)}`,
        })),
      ),
    )
  }

  /** Those that run and have no stream here: the answer to the query `absent-proxies`. */
  absent(): readonly string[] {
    const absent = (this.#startedProxies() ?? []).filter((proxy) => !this.#proxies.has(proxy))
    return absent.slice(0, maxAbsent)
  }
}

/** The refusals of one proxy, for people. */
export const toNacks = (proxy: string, rejections: readonly Rejection[]): Nack[] =>
  rejections.map(({ type, name, reason, revision }) => ({
    proxy,
    typeUrl: type,
    resources: [name],
    reason: reason.slice(0, 2048),
    revision,
  }))

const advance = (tracked: Tracked): boolean => {
  if (!tracked.latest || tracked.target.rejections().length > 0) return false
  const settled = tracked.target.settledTick
  if (settled >= tracked.latest.tick) {
    tracked.live = tracked.latest.revision
    tracked.next = tracked.latest = undefined
    return true
  }
  if (!tracked.next || settled < tracked.next.tick) return false
  tracked.live = tracked.next.revision
  tracked.next = tracked.latest
  return true
}

const countRevisions = (revisions: readonly number[]): Delivery['live'] => {
  const counts = new Map<number, number>()
  for (const revision of revisions) counts.set(revision, (counts.get(revision) ?? 0) + 1)
  const sorted = [...counts]
    .map(([revision, proxies]) => ({ revision, proxies }))
    .sort((a, b) => b.revision - a.revision)
  const oldest = sorted.slice(maxRevisions - 1)
  const rest = oldest.at(-1)
  if (!rest) return sorted
  return [
    ...sorted.slice(0, maxRevisions - 1),
    { revision: rest.revision, proxies: oldest.reduce((sum, { proxies }) => sum + proxies, 0) },
  ]
}

const toWaitingFor = (target: DeliveryTarget): string => {
  const [refused] = target.rejections()
  if (refused) return `${toKind(refused.type)} ${refused.name} was refused`.slice(0, 256)
  for (const { type, unackedResponses } of target.subscriptions.values())
    if (unackedResponses > 0)
      return `the ACK of ${unackedResponses} ${toKind(type)} response${unackedResponses > 1 ? 's' : ''}`
  if (!target.subscriptions.has(typeUrls.listener)) return 'its first requests'
  if (!target.blockedBy) return 'its turn'
  const { object, message } = target.blockedBy
  return `its configuration, which cannot be compiled: ${object === '' ? '' : `${object}: `}${message}`.slice(0, 256)
}

/** "type.googleapis.com/envoy.config.cluster.v3.Cluster" → "Cluster" */
const toKind = (type: TypeUrl): string => type.slice(type.lastIndexOf('.') + 1)
