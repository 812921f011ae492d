import type { Clock } from '#agent/clock.ts'
import { TRUST_REPORT_NAMES, type TrustReport } from '#mesh/trust.ts'
import type { Proxy } from '#xds/proxy.ts'
import { toProxyName } from '#xds/proxy.ts'

/** One stream, as far as the trust is concerned. */
export interface TrustTarget {
  /** What was due at this tick of what the proxy trusts and who it is, is ACKed; -1 = it is not known to have any of it. */
  readonly settledTrustTick: number
}

/** What the secrets that are pushed at one tick are made of. */
export interface TrustMark {
  readonly version: number
  /** The intermediate that all leaves are of; null = they are not of one. */
  readonly leavesOf: string | null
}

interface Checkpoint extends TrustMark {
  readonly tick: number
}

export interface TrustTrackerOptions {
  readonly clock: Clock
  /** What is told of the proxies may have changed. */
  readonly onChange: () => void
  /** Whether a proxy that has gone may still run, and be talked to: nobody else tells whether it does. */
  readonly mayRun: (proxy: Proxy) => boolean
}

/** A proxy that is cut off from its agent can do nothing once its leaf has run out. */
const leafMilliseconds = 24 * 60 * 60_000
const maxCheckpoints = 32
/** Beyond them those that have been gone for longest are forgotten. */
const maxDeparted = 1000

interface Tracked {
  readonly proxy: Proxy
  readonly target: TrustTarget
  held: Checkpoint | undefined
}

interface Departed {
  readonly proxy: Proxy
  readonly held: Checkpoint | undefined
  readonly at: number
}

type ProxyFacts = Pick<TrustReport, 'proxies' | 'held' | 'otherLeaves' | 'laggards'>

/**
 * Which trust each proxy holds, and whose leaf: what was pushed at a tick, once nothing of it that was due by then is un-ACKed. A proxy that
 * takes its secrets holds them, whatever else it refuses.
 */
export class TrustTracker {
  readonly #options: TrustTrackerOptions
  /** By proxy, its streams: the newest one speaks for it. */
  readonly #proxies = new Map<string, Tracked[]>()
  readonly #byTarget = new Map<TrustTarget, Tracked>()
  /** In order of leaving. */
  readonly #departed = new Map<string, Departed>()
  /** Oldest first. */
  #checkpoints: readonly Checkpoint[] = []

  constructor(options: TrustTrackerOptions) {
    this.#options = options
  }

  /** What is pushed at this tick is made of this. */
  mark(mark: TrustMark, tick: number): void {
    const last = this.#checkpoints.at(-1)
    if (last?.version === mark.version && last.leavesOf === mark.leavesOf) return
    this.#checkpoints = [...this.#checkpoints.slice(1 - maxCheckpoints), { ...mark, tick }]
    for (const tracked of this.#byTarget.values()) this.#advance(tracked)
    this.#options.onChange()
  }

  add(proxy: Proxy, target: TrustTarget): void {
    const name = toProxyName(proxy)
    const tracked = { proxy, target, held: undefined }
    this.#departed.delete(name)
    this.#byTarget.set(target, tracked)
    this.#proxies.set(name, [...(this.#proxies.get(name) ?? []), tracked])
    this.#options.onChange()
  }

  remove(target: TrustTarget): void {
    const tracked = this.#byTarget.get(target)
    if (!tracked) return
    const { proxy, held } = tracked
    const name = toProxyName(proxy)
    const left = (this.#proxies.get(name) ?? []).filter((each) => each !== tracked)
    this.#byTarget.delete(target)
    if (left.length > 0) this.#proxies.set(name, left)
    else {
      this.#proxies.delete(name)
      this.#departed.set(name, { proxy, held, at: this.#options.clock.now() })
      const [oldest] = this.#departed.keys()
      if (oldest !== undefined && this.#departed.size > maxDeparted) this.#departed.delete(oldest)
    }
    this.#options.onChange()
  }

  /** A proxy has answered, or has nothing more to answer. */
  update(target: TrustTarget): void {
    const tracked = this.#byTarget.get(target)
    if (tracked && this.#advance(tracked)) this.#options.onChange()
  }

  /** The connected proxies, and those that have gone and may run. */
  summary(): ProxyFacts {
    this.#forgetDeparted()
    const newest = this.#checkpoints.at(-1)
    const connected = [...this.#proxies].flatMap(([name, streams]) => {
      const held = streams.at(-1)?.held
      return [{ name, held, waitingFor: 'its ACK of what it is to trust, and of its certificate' }]
    })
    const gone = [...this.#departed].map(([name, { held, at }]) => ({
      name,
      held,
      waitingFor: `its connection, which it has not had since ${new Date(at).toISOString()} (forgotten a day after that)`,
    }))
    const all = [...connected, ...gone]
    const isBehind = ({ held }: { readonly held: Checkpoint | undefined }): boolean => held !== newest
    const hasOtherLeaf = ({ held }: { readonly held: Checkpoint | undefined }): boolean =>
      held?.leavesOf !== newest?.leavesOf || newest?.leavesOf === null
    return {
      proxies: all.length,
      held: Math.min(newest?.version ?? 0, ...all.map(({ held }) => held?.version ?? 0)),
      otherLeaves: all.filter(hasOtherLeaf).length,
      laggards: all
        .filter(isBehind)
        .slice(0, TRUST_REPORT_NAMES)
        .map(({ name, waitingFor }) => ({ proxy: name, waitingFor })),
    }
  }

  #advance(tracked: Tracked): boolean {
    const settled = tracked.target.settledTrustTick
    const reached = this.#checkpoints.findLast(({ tick }) => tick <= settled)
    if (!reached || reached.tick <= (tracked.held?.tick ?? -1)) return false
    tracked.held = reached
    return true
  }

  #forgetDeparted(): void {
    const { clock, mayRun } = this.#options
    const since = clock.now() - leafMilliseconds
    for (const [name, { proxy, at }] of this.#departed) if (at <= since || !mayRun(proxy)) this.#departed.delete(name)
  }
}
