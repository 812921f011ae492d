import type { Clock } from '#agent/clock.ts'
import { LateWriter } from '#agent/store/late-writer.ts'
import type { SealedSnapshot } from '#agent/store/sealed-snapshot.ts'
import { toMachineKey, type GroupMachine, type MachineChange } from '#mesh/registry-records/machine-groups.ts'
import { toWorkloadKey } from '#mesh/workload.ts'

export interface MachineSessionsOptions {
  /** Where they are found again after a restart; absent = elsewhere. */
  readonly snapshot?: SealedSnapshot<GroupMachine>
  readonly clock: Clock
  /** Machines have come or left; `left`: the workloads that are known to have left, not only missed. Must not block. */
  readonly onChange: (changes: readonly MachineChange[], left?: ReadonlySet<string>) => void
}

/** Istio's PILOT_WORKLOAD_ENTRY_GRACE_PERIOD: a proxy that was cut off may be back. */
const graceMilliseconds = 10_000
/** After a restart of the agent every proxy has to come back: an Envoy that gets no answer waits up to 30 s before it tries again. */
const restartGraceMilliseconds = 60_000
const writeDelayMilliseconds = 1000
/** What probes find is told as often as this at most, of all machines together: each time others get new endpoints. */
const healthMilliseconds = 1000

interface Session {
  machine: GroupMachine
  streams: number
  /** Whether its proxy has been here since the agent started. */
  wasHere: boolean
  /** Stops the removal that waits for the end of its grace. */
  cancel: () => void
}

/**
 * Which machines of WorkloadGroups are here: those whose proxies have a stream to this agent, or had one a grace ago. Only an agent that
 * is alone in its cluster can tell.
 */
export class MachineSessions {
  readonly #options: MachineSessionsOptions
  readonly #writer: LateWriter
  readonly #sessions = new Map<string, Session>()
  /** Of all proxies. */
  #streams = 0
  #isStopped = false
  /** Until then proxies are expected to connect anew. */
  #reconnectingUntil = 0
  /** What probes have found and was not told yet, by machine. */
  readonly #found = new Map<string, NonNullable<GroupMachine['health']>>()
  #healthToldAt = -Infinity
  #cancelHealth: (() => void) | undefined

  constructor(options: MachineSessionsOptions) {
    this.#options = options
    const { snapshot, clock } = options
    this.#writer = new LateWriter(clock, writeDelayMilliseconds, async () =>
      snapshot?.save({ savedAt: clock.now(), items: Array.from(this.#sessions.values(), ({ machine }) => machine) }),
    )
  }

  /** How many machines a group has. */
  count(namespace: string, group: string): number {
    let machines = 0
    for (const { machine } of this.#sessions.values())
      if (machine.namespace === namespace && machine.group === group) machines++
    return machines
  }

  has(key: string): boolean {
    return this.#sessions.has(key)
  }

  /** Begins with the machines that were here before a restart. */
  restore(): void {
    const machines = this.#options.snapshot?.load()?.items ?? []
    for (const machine of machines) this.#open(machine)
    this.#tell(machines.map((machine) => ({ key: toMachineKey(machine), value: machine })))
  }

  /** Proxies can connect from now on: machines of before that stay away leave. */
  reachable(): void {
    for (const session of this.#sessions.values()) if (!session.wasHere) this.#wait(session, restartGraceMilliseconds)
  }

  /** All proxies are to connect anew: it may take them as long as after a restart. */
  reconnecting(): void {
    this.#reconnectingUntil = this.#options.clock.now() + restartGraceMilliseconds
  }

  /** A stream of a proxy is open: of this machine's, or of one that is of no group. */
  opened(machine: GroupMachine | undefined): void {
    this.#streams++
    if (!machine) return
    const key = toMachineKey(machine)
    const known = this.#sessions.get(key)
    const session = known ?? this.#open(machine)
    session.cancel()
    session.streams++
    session.wasHere = true
    if (known && isSameMachine(known.machine, machine)) return
    session.machine = machine
    this.#tell([{ key, value: machine }])
  }

  /** … and has ended. */
  closed(machine: GroupMachine | undefined): void {
    this.#streams--
    if (!machine) return
    const session = this.#sessions.get(toMachineKey(machine))
    if (session && --session.streams === 0)
      this.#wait(session, Math.max(graceMilliseconds, this.#reconnectingUntil - this.#options.clock.now()))
  }

  /** A probe of this machine's application has found it so. The first word is passed on at once, the latest of what follows a moment later. */
  setHealth(machine: GroupMachine, health: NonNullable<GroupMachine['health']>): void {
    const key = toMachineKey(machine)
    if (!this.#sessions.has(key) || this.#isStopped) return
    this.#found.set(key, health)
    const { clock } = this.#options
    const wait = this.#healthToldAt + healthMilliseconds - clock.now()
    if (wait <= 0) this.#tellHealth()
    else this.#cancelHealth ??= clock.after(Math.min(wait, healthMilliseconds), () => this.#tellHealth())
  }

  #tellHealth(): void {
    this.#cancelHealth?.()
    this.#cancelHealth = undefined
    const changes: MachineChange[] = []
    for (const [key, health] of this.#found) {
      const session = this.#sessions.get(key)
      if (!session || session.machine.health === health) continue
      session.machine = { ...session.machine, health }
      changes.push({ key, value: session.machine })
    }
    this.#found.clear()
    if (changes.length > 0) this.#healthToldAt = this.#options.clock.now()
    this.#tell(changes)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelHealth?.()
    for (const { cancel } of this.#sessions.values()) cancel()
    await this.#writer.stop()
  }

  #open(machine: GroupMachine): Session {
    const session = { machine, streams: 0, wasHere: false, cancel: () => {} }
    this.#sessions.set(toMachineKey(machine), session)
    return session
  }

  #wait(session: Session, milliseconds: number): void {
    if (this.#isStopped) return
    const { machine } = session
    const key = toMachineKey(machine)
    session.cancel = this.#options.clock.after(milliseconds, () => {
      this.#sessions.delete(key)
      // Who is connected to nobody may be the one that is cut off, and of a machine that has not come back nobody knows whether it is gone.
      const left =
        session.wasHere && this.#streams > 0 ? new Set([toWorkloadKey(machine.namespace, machine.name)]) : undefined
      this.#tell([{ key, value: null }], left)
    })
  }

  #tell(changes: readonly MachineChange[], left?: ReadonlySet<string>): void {
    if (changes.length === 0) return
    this.#writer.changed()
    this.#options.onChange(changes, left)
  }
}

/** The same key may be of another: a token of the group may be of another account, and a long name loses its group. */
const isSameMachine = (one: GroupMachine, other: GroupMachine): boolean =>
  one.group === other.group && one.address === other.address && one.serviceAccount === other.serviceAccount
