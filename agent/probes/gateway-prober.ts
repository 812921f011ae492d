import { isIP } from 'node:net'
import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import type { ProbeResults } from '#agent/uplink/outbox.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import type { ClusterName, NetworkName } from '#mesh/names.ts'
import type { GatewayAddress } from '#mesh/service.ts'
import type { ClusterState } from '#mesh/state.ts'
import type { ViewChange } from '#mesh/view.ts'
import { ProbeHealth } from './probe-health.ts'

export interface GatewayProberOptions {
  readonly localNetwork: NetworkName
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
  /** Whether a TCP connection comes about. */
  readonly connect: (address: string, port: number) => Promise<boolean>
  /** IP addresses of a host name; rejects when it has none. */
  readonly resolve: (hostname: string) => Promise<readonly string[]>
  /** Gateways have other addresses, or their health has changed. */
  readonly onChanges: (changes: readonly ViewChange[]) => void
  readonly onResults: (results: ProbeResults) => void
}

export interface ProbedGateway {
  readonly cluster: ClusterName
  /** As it was declared: an IP address or a host name. */
  readonly address: string
  readonly port: number
  /** What the name resolved to; an IP address stands for itself. */
  readonly resolved: readonly string[]
  readonly reachable: boolean
}

const intervalMilliseconds = 5000
/** After a first failure the answer is wanted soon. */
const doubtMilliseconds = 500
const resolveMilliseconds = 10_000
const lookupMilliseconds = 3000
const maxConcurrent = 32
const maxAddressesPerName = 16

/** One address that is probed. */
interface Target {
  readonly cluster: ClusterName
  readonly address: GatewayAddress
  readonly health: ProbeHealth
  dueAt: number
  underWay: boolean
}

/**
 * Looks after the gateways of other networks: resolves their names again and again, probes every address, and says which are dead.
 * The view is told addresses only.
 */
export class GatewayProber {
  readonly #options: GatewayProberOptions
  readonly #clusters = new Map<ClusterName, ClusterState>()
  readonly #resolved = new Map<string, readonly string[]>()
  readonly #targets = new Map<string, Target>()
  readonly #lookups = new Set<Promise<void>>()
  #underWay = 0
  #cancelTick: () => void = () => {}
  #cancelResolve: () => void = () => {}
  #reported: ProbeResults = []
  #stopped = false

  constructor(options: GatewayProberOptions) {
    this.#options = options
  }

  start(): void {
    this.#scheduleResolve()
    this.#tick()
  }

  stop(): void {
    this.#stopped = true
    this.#cancelTick()
    this.#cancelResolve()
  }

  /** What the plane says of the clusters, as the view is to hear of it. */
  update(states: Iterable<readonly [ClusterName, ClusterState | null]>): ViewChange[] {
    const changes: ViewChange[] = []
    for (const [cluster, state] of states) {
      if (state) this.#clusters.set(cluster, state)
      else this.#clusters.delete(cluster)
      changes.push(...this.#toChanges(cluster))
    }
    this.#resolveNames((name) => !this.#resolved.has(name))
    this.#report()
    return changes
  }

  /** Resolves when the names that are being looked up have been, or have taken too long: until then, gateways are missing. */
  async lookedUp(): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(lookupMilliseconds, resolve)
      void Promise.all(this.#lookups).then(() => {
        cancel()
        resolve()
      })
    })
  }

  get gateways(): ProbedGateway[] {
    return [...this.#clusters.values()]
      .filter((state) => this.#isElsewhere(state))
      .flatMap((state) => this.#toProbed(state))
  }

  #isElsewhere(state: ClusterState): boolean {
    return state.network !== this.#options.localNetwork
  }

  #toProbed({ name, gateways }: ClusterState): ProbedGateway[] {
    return gateways.map(({ address, port }) => {
      const resolved = this.#resolveAddress(address)
      const reachable = resolved.some(
        (ip) => this.#targets.get(toKey(name, { address: ip, port }))?.health.alive ?? true,
      )
      return { cluster: name, address, port, resolved, reachable }
    })
  }

  #resolveAddress(address: string): readonly string[] {
    return isIP(address) ? [address] : (this.#resolved.get(address) ?? [])
  }

  /** The cluster with addresses instead of names; its targets are made to fit. */
  #toChanges(cluster: ClusterName): ViewChange[] {
    const state = this.#clusters.get(cluster)
    const gateways = (state?.gateways ?? []).flatMap(({ address, port }) =>
      this.#resolveAddress(address).map((ip) => ({ address: ip, port })),
    )
    const health = this.#setTargets(cluster, state && this.#isElsewhere(state) ? gateways : [])
    return [{ kind: 'cluster', cluster, value: state ? { ...state, gateways } : null }, ...health]
  }

  /** What is no target any more is forgotten: its verdict must not outlive it. */
  #setTargets(cluster: ClusterName, addresses: readonly GatewayAddress[]): ViewChange[] {
    const wanted = new Map(addresses.map((address) => [toKey(cluster, address), address]))
    const changes: ViewChange[] = []
    for (const [key, target] of this.#targets) {
      if (target.cluster !== cluster || wanted.has(key)) continue
      this.#targets.delete(key)
      if (!target.health.alive) changes.push({ kind: 'gateway-health', cluster, address: target.address, alive: true })
    }
    for (const [key, address] of wanted) {
      if (this.#targets.has(key)) continue
      this.#targets.set(key, { cluster, address, health: new ProbeHealth(), dueAt: 0, underWay: false })
    }
    return changes
  }

  #tick(): void {
    const { clock } = this.#options
    if (this.#stopped) return
    const now = clock.now()
    const due = [...this.#targets.values()].filter((target) => !target.underWay && target.dueAt <= now)
    // Those that have waited longest: with many dead ones, the last of the list would never have their turn.
    const next = due.toSorted((left, right) => left.dueAt - right.dueAt).slice(0, maxConcurrent - this.#underWay)
    for (const target of next) void this.#probe(target)
    this.#cancelTick = clock.after(doubtMilliseconds, () => this.#tick())
  }

  async #probe(target: Target): Promise<void> {
    const { clock, random, connect } = this.#options
    const { address, port } = target.address
    target.underWay = true
    this.#underWay += 1
    const succeeded = await connect(address, port).catch(() => false)
    this.#underWay -= 1
    target.underWay = false
    const changed = target.health.record(succeeded)
    target.dueAt = clock.now() + (target.health.doubtful ? 0 : intervalMilliseconds * (0.9 + 0.2 * random()))
    if (changed && !this.#stopped && this.#targets.get(toKey(target.cluster, target.address)) === target)
      this.#onVerdict(target)
  }

  #onVerdict({ cluster, address, health }: Target): void {
    const { log, onChanges } = this.#options
    log.warn(
      { cluster, ...address, alive: health.alive },
      health.alive ? 'a gateway is reachable again' : 'a gateway is not reachable',
    )
    onChanges([{ kind: 'gateway-health', cluster, address, alive: health.alive }])
    this.#report()
  }

  #report(): void {
    const results = this.gateways
      .map(({ cluster, address, port, reachable }) => ({ cluster, address, port, reachable }))
      .slice(0, 1000)
    if (isEqualData(results, this.#reported)) return
    this.#reported = results
    this.#options.onResults(results)
  }

  #scheduleResolve(): void {
    if (this.#stopped) return
    this.#cancelResolve = this.#options.clock.after(resolveMilliseconds, () => {
      this.#resolveNames(() => true)
      this.#scheduleResolve()
    })
  }

  #resolveNames(filter: (name: string) => boolean): void {
    const names = new Set(
      [...this.#clusters.values()]
        .flatMap(({ gateways }) => gateways.map(({ address }) => address))
        .filter((address) => !isIP(address)),
    )
    for (const name of this.#resolved.keys()) if (!names.has(name)) this.#resolved.delete(name)
    for (const name of names) {
      if (!filter(name)) continue
      const lookup = this.#resolveName(name).finally(() => this.#lookups.delete(lookup))
      this.#lookups.add(lookup)
    }
  }

  /** A name that does not resolve keeps its last addresses: the probes tell whether they are still good. */
  async #resolveName(name: string): Promise<void> {
    const { resolve, log, onChanges } = this.#options
    const before = this.#resolved.get(name)
    if (!before) this.#resolved.set(name, [])
    let addresses: readonly string[]
    try {
      addresses = (await resolve(name)).toSorted().slice(0, maxAddressesPerName)
    } catch (error) {
      log.warn({ name, err: error }, "a gateway's name does not resolve")
      return
    }
    if (this.#stopped || !this.#resolved.has(name) || isEqualData(addresses, this.#resolved.get(name))) return
    this.#resolved.set(name, addresses)
    const concerned = [...this.#clusters.values()].filter(({ gateways }) =>
      gateways.some(({ address }) => address === name),
    )
    onChanges(concerned.flatMap((state) => this.#toChanges(state.name)))
    this.#report()
  }
}

const toKey = (cluster: string, { address, port }: GatewayAddress): string => `${cluster} ${address} ${port}`
