import type { ClusterName, NetworkName } from '../names.ts'
import type { GatewayAddress } from '../service.ts'
import type { ClusterState } from '../state.ts'
import { type ReachableGateways, viewKeys } from '../view.ts'
import type { AnswerWatch } from './answer-watch.ts'
import { compareText } from './compare-text.ts'
import { MultiMap } from './multi-map.ts'
import { setOrDelete } from './set-or-delete.ts'

/** The other clusters, and which of their gateways this agent's probes found dead. */
export class ClusterTable {
  readonly #watch: AnswerWatch
  readonly #states = new Map<ClusterName, ClusterState>()
  readonly #deadGateways = new MultiMap<ClusterName, string>()

  constructor(watch: AnswerWatch) {
    this.#watch = watch
  }

  state(cluster: ClusterName): ClusterState | undefined {
    return this.#states.get(cluster)
  }

  networks(): readonly NetworkName[] {
    return [...this.#states.values()].map(({ network }) => network)
  }

  /** Those on a network that are not withdrawn, sorted. */
  on(network: NetworkName): readonly ClusterName[] {
    return [...this.#states.values()]
      .filter((state) => state.network === network && state.contribution !== 'withdrawn')
      .map(({ name }) => name)
      .toSorted(compareText)
  }

  gateways(cluster: ClusterName): ReachableGateways {
    const all = this.#states.get(cluster)?.gateways ?? []
    const dead = this.#deadGateways.get(cluster)
    const alive = all.filter((address) => !dead.has(toAddressText(address)))
    return alive.length > 0 ? { addresses: alive, areAlive: true } : { addresses: all, areAlive: false }
  }

  set(cluster: ClusterName, state: ClusterState | null): void {
    this.#note(cluster)
    setOrDelete(this.#states, cluster, state)
  }

  setHealth(cluster: ClusterName, address: GatewayAddress, alive: boolean): void {
    this.#note(cluster)
    if (alive) this.#deadGateways.delete(cluster, toAddressText(address))
    else this.#deadGateways.add(cluster, toAddressText(address))
  }

  #note(cluster: ClusterName): void {
    this.#watch.note(viewKeys.gateways(cluster), () => this.gateways(cluster))
  }
}

const toAddressText = ({ address, port }: GatewayAddress): string => `${address} ${port}`
