import type { Clock } from '#agent/clock.ts'
import type { MachineRefusal } from '#agent/proxy-auth/proxy-authenticator.ts'
import type { SealedSnapshot } from '#agent/store/sealed-snapshot.ts'
import type { ReadinessProbe } from '#mesh/config/schema/readiness-probe.ts'
import {
  toMachineKey,
  type GroupMachine,
  type MachineChange,
  type MachineClaim,
} from '#mesh/registry-records/machine-groups.ts'
import { err, ok, type Result } from '#mesh/result.ts'
import type { MachineToken } from '#mesh/state.ts'
import { followHealth, type HealthStream } from './follow-health.ts'
import { MachineSessions } from './machine-sessions.ts'
import { toMachineAddress } from './to-machine-address.ts'

/** Where a cluster's WorkloadGroups are, and their machines become workloads. */
export interface MachineRegistry {
  /** What a machine would be here. Only for a registry that has been read. */
  nameMachine(machine: MachineClaim): Result<string, 'no_group' | 'other_account' | 'name_taken'>
  /** How a machine's application is probed; undefined = it is not. */
  probeOf(machine: MachineClaim): ReadinessProbe | undefined
  /** Machines of WorkloadGroups have come, changed or left; `left`: the workloads among them that are known to have left. */
  takeMachines(changes: readonly MachineChange[], left?: ReadonlySet<string>): void
}

export interface GroupMachinesOptions {
  readonly registry: MachineRegistry
  /** Where the machines are found again after a restart; absent = the registry has them. */
  readonly snapshot?: SealedSnapshot<GroupMachine>
  readonly clock: Clock
}

/** What one token can make of a cluster is bounded by it: whoever has many addresses could be as many machines. */
const maxMachinesOfGroup = 1000

/** The machines of a cluster's WorkloadGroups: workloads for as long as their proxies are connected (docs/decisions/0018). */
export class GroupMachines {
  readonly #registry: MachineRegistry
  readonly #sessions: MachineSessions
  readonly #clock: Clock

  constructor({ registry, snapshot, clock }: GroupMachinesOptions) {
    this.#registry = registry
    this.#clock = clock
    this.#sessions = new MachineSessions({
      ...(snapshot && { snapshot }),
      clock,
      onChange: (changes, left) => registry.takeMachines(changes, left),
    })
  }

  /** What the holder of a group's token is that connects from `peer`. Asked again, the answer is another when the group is. */
  admit(token: MachineToken, peer: string): Result<GroupMachine, MachineRefusal> {
    const address = toMachineAddress(peer)
    if (address === undefined) return err('no_address')
    const { namespace, workload: group, serviceAccount } = token
    const claim = { namespace, group, address, serviceAccount }
    const name = this.#registry.nameMachine(claim)
    if (!name.ok) return name
    const machine = { ...claim, name: name.value }
    const isKnown = this.#sessions.has(toMachineKey(machine))
    return isKnown || this.#sessions.count(namespace, group) < maxMachinesOfGroup ? ok(machine) : err('group_full')
  }

  /** Has a machine probe its application as its group says, and takes what it finds, until the stream ends. */
  followHealth(machine: GroupMachine, stream: HealthStream): void {
    followHealth(stream, {
      clock: this.#clock,
      probe: () => this.#registry.probeOf(machine),
      onHealth: (health) => this.#sessions.setHealth(machine, health),
    })
  }

  start(): void {
    this.#sessions.restore()
  }

  /** Proxies can connect from now on. */
  reachable(): void {
    this.#sessions.reachable()
  }

  /** All proxies are to connect anew. */
  reconnecting(): void {
    this.#sessions.reconnecting()
  }

  stop(): Promise<void> {
    return this.#sessions.stop()
  }

  /** A stream of a proxy is open: of an admitted machine's, or of one that is of no group. */
  opened(machine: GroupMachine | undefined): void {
    this.#sessions.opened(machine)
  }

  /** … and has ended. */
  closed(machine: GroupMachine | undefined): void {
    this.#sessions.closed(machine)
  }
}
