import { z } from 'zod'
import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import type { MachineRegistry } from '#agent/machines/group-machines.ts'
import { parseObjectKey, type ConfigObject } from '#mesh/config-object.ts'
import type { ReadinessProbe } from '#mesh/config/schema/readiness-probe.ts'
import { workloadEntry } from '#mesh/config/workload-entry.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { hasLabels } from '#mesh/has-labels.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { setOrDelete } from '#mesh/merge/set-or-delete.ts'
import {
  groupOfEntry,
  healthOfEntry,
  MachineGroups,
  toMachineKey,
  type MachineChange,
  type MachineClaim,
} from '#mesh/registry-records/machine-groups.ts'
import { toWorkloadKey } from '#mesh/workload.ts'
import { err, type Result } from '#mesh/result.ts'
import { objectMetadata, type ObjectClient, type ObjectKind } from './object-client.ts'
import { toOthers, withWrittenNames } from './written-names.ts'

const machineEntry = z.object({
  metadata: objectMetadata.extend({ annotations: z.record(z.string(), z.string()).optional() }),
  spec: z.record(z.string(), z.unknown()),
})
export type MachineEntry = z.infer<typeof machineEntry>

export const machineEntryKind: ObjectKind<MachineEntry> = {
  // Of all versions that Istio's CRD has had with it.
  apiVersion: 'networking.istio.io/v1beta1',
  kind: workloadEntry.kind,
  resource: workloadEntry.plural,
  schema: machineEntry,
}

/** `claim`: the machine has just said that it is here, whoever has written of it before; `leave`: it is known to have left. */
type Reason = 'claim' | 'leave' | 'check'

export interface MachineEntriesOptions {
  readonly entries: Pick<ObjectClient<MachineEntry>, 'find' | 'create' | 'replace' | 'remove'>
  /** Ours. */
  readonly replica: string
  /** Whether the agent of this name is gone for good, and it is for this replica to put its things in order. */
  readonly isOrphaned: (replica: string) => boolean
  readonly clock: Clock
  readonly log: Log
  readonly onProblems: () => void
}

/** Which agent a machine is connected to. Not Istio's `istio.io/workloadController`: entries of an istiod beside us are its own. */
const controllerAnnotation = 'atoll.dev/workload-controller'
/** On an entry that is about to go because its machine has left: one that goes without it is lost. */
const leftAnnotation = 'atoll.dev/workload-left'
const retryMilliseconds = 5000
const sweepMilliseconds = 10_000
/** An agent that has gone leaves its machines behind: they have so long to come to another. */
const orphanMilliseconds = 90_000

/**
 * The machines of a Kubernetes cluster's WorkloadGroups, as WorkloadEntries that the agent writes to which they are connected: all replicas read
 * them as any other (docs/decisions/0019). An entry is its agent's who last wrote it, and is taken away by that one alone.
 */
export class MachineEntries implements MachineRegistry {
  readonly #options: MachineEntriesOptions
  readonly #groups = new MachineGroups()
  /** The WorkloadEntries of the cluster. */
  readonly #present = new Map<string, ConfigObject>()
  /** What may have to be written. */
  readonly #due = new Map<string, Reason>()
  readonly #orphanedSince = new Map<string, number>()
  #problem: string | undefined
  #isRunning = false
  #isStopped = false
  #cancelRetry = (): void => {}
  #cancelSweep = (): void => {}

  constructor(options: MachineEntriesOptions) {
    this.#options = options
  }

  start(): void {
    this.#cancelSweep = this.#options.clock.after(sweepMilliseconds, () => {
      this.#sweep()
      if (!this.#isStopped) this.start()
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#cancelRetry()
    this.#cancelSweep()
  }

  /** An object of the cluster's own has changed; null = it is gone. */
  takeObject(key: string, value: ConfigObject | null): void {
    if (key.startsWith(`${workloadEntry.kind}/`)) {
      setOrDelete(this.#present, key, value)
      const wanted = this.#groups.find(key)
      if (wanted && !(value && holdsWritten(value, toMachineEntry(wanted, this.#options.replica)))) this.#note(key)
    }
    for (const changed of this.#groups.takeObjects([{ key, value }])) this.#note(changed)
  }

  nameMachine(machine: MachineClaim): Result<string, 'no_group' | 'other_account' | 'name_taken'> {
    const name = this.#groups.nameOf(machine)
    if (!name.ok) return name
    const present = this.#present.get(toMachineKey({ namespace: machine.namespace, name: name.value }))
    return present && (controllerOf(present) === undefined || groupOfEntry(present) !== machine.group)
      ? err('name_taken')
      : name
  }

  probeOf(machine: MachineClaim): ReadinessProbe | undefined {
    return this.#groups.probeOf(machine)
  }

  takeMachines(changes: readonly MachineChange[], left?: ReadonlySet<string>): void {
    for (const { key, value } of changes) {
      const present = this.#present.get(key)
      // What was found before holds until something else is found: the machine has only come to another agent.
      const health = value?.health ?? (present && healthOfEntry(present))
      this.#groups.takeMachines([{ key, value: value && { ...value, ...(health && { health }) } }])
      const { namespace = '', name = '' } = parseObjectKey(key) ?? {}
      const gone = left?.has(toWorkloadKey(namespace, name)) ? 'leave' : 'check'
      this.#due.set(key, value ? 'claim' : gone)
    }
    void this.#run()
  }

  problems(): readonly string[] {
    return this.#problem === undefined ? [] : [`machines can't be written down: ${this.#problem}`]
  }

  #note(key: string): void {
    if (!this.#due.has(key)) this.#due.set(key, 'check')
    void this.#run()
  }

  /** One after the other, as what is due comes. */
  async #run(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#cancelRetry()
    let failure: unknown
    const failed: (readonly [string, Reason])[] = []
    for (const [key, why] of this.#due) {
      if (this.#isStopped) break
      this.#due.delete(key)
      try {
        if (!(await this.#settle(key, why))) this.#restore(key, why)
      } catch (error) {
        // One namespace's quota or admission is no reason for others to wait.
        failure = error
        failed.push([key, why])
      }
    }
    for (const [key, why] of failed) this.#restore(key, why)
    this.#isRunning = false
    this.#setProblem(failure)
    if (failure !== undefined && !this.#isStopped)
      this.#cancelRetry = this.#options.clock.after(retryMilliseconds, () => void this.#run())
  }

  #markAsLeft({ metadata, spec }: MachineEntry): Promise<MachineEntry | undefined> {
    const annotations = { ...metadata.annotations, [leftAnnotation]: 'true' }
    return this.#options.entries.replace({ metadata: { ...metadata, annotations }, spec })
  }

  #restore(key: string, why: Reason): void {
    if (this.#due.get(key) !== 'claim') this.#due.set(key, why)
  }

  /** False: somebody else has changed it at the same time. */
  async #settle(key: string, why: Reason): Promise<boolean> {
    const { entries, replica, log } = this.#options
    const { namespace = '', name = '' } = parseObjectKey(key) ?? {}
    const wanted = this.#groups.find(key)
    const present = await entries.find(namespace, name)
    const controller = present && controllerOf(present)
    // One that a person has written stands, or an istiod.
    if (present && controller === undefined) return true
    const isOurs = controller === replica
    if (!wanted) {
      if (!present || !(isOurs || this.#isLeftBehind(key, controller))) return true
      // What else it goes by, such as a group that is not there, may be a loss: the mass-removal guard is to see it.
      const leaving = why === 'leave' ? await this.#markAsLeft(present) : present
      if (!leaving) return false
      log.info({ namespace, name }, 'a machine has left')
      return entries.remove(leaving)
    }
    if (present && !isOurs && why !== 'claim') return true
    const written = toMachineEntry(wanted, replica)
    if (!present) {
      log.info({ namespace, name }, 'a machine has come')
      return (await entries.create(written)) !== undefined
    }
    if (holdsWritten(present, written)) return true
    return (await entries.replace(withOthers(written, present))) !== undefined
  }

  /** Machines that were connected to an agent that is not there any more, and to this one before it was started. */
  #sweep(): void {
    const now = this.#options.clock.now()
    for (const [key, entry] of this.#present) {
      if (this.#groups.find(key) || !this.#isNobodys(controllerOf(entry))) {
        this.#orphanedSince.delete(key)
        continue
      }
      const since = this.#orphanedSince.get(key) ?? now
      this.#orphanedSince.set(key, since)
      if (now - since >= orphanMilliseconds) this.#note(key)
    }
    for (const key of this.#orphanedSince.keys()) if (!this.#present.has(key)) this.#orphanedSince.delete(key)
  }

  #isNobodys(controller: string | undefined): boolean {
    const { replica, isOrphaned } = this.#options
    return controller !== undefined && (controller === replica || isOrphaned(controller))
  }

  #isLeftBehind(key: string, controller: string | undefined): boolean {
    return this.#orphanedSince.has(key) && this.#isNobodys(controller)
  }

  #setProblem(failure: unknown): void {
    const { log, onProblems } = this.#options
    const problem = failure === undefined ? undefined : toErrorMessage(failure)
    if (problem === this.#problem) return
    this.#problem = problem
    if (problem !== undefined) log.warn({ err: failure }, "machines can't be written down")
    onProblems()
  }
}

const toMachineEntry = ({ metadata, spec }: ConfigObject, replica: string): MachineEntry => {
  const { name, namespace, labels } = metadata
  const annotations = { ...metadata.annotations, [controllerAnnotation]: replica }
  return {
    metadata: { name, namespace, ...(labels && { labels }), annotations: withWrittenNames({ labels, annotations }) },
    spec: JSON.parse(JSON.stringify(spec)) as Record<string, unknown>,
  }
}

/** What is to be written in place of what is there, with what others have added. */
const withOthers = (written: MachineEntry, { metadata }: MachineEntry): MachineEntry => {
  const others = toOthers(metadata)
  const { [leftAnnotation]: _, ...annotations } = others.annotations
  return {
    metadata: {
      ...metadata,
      labels: { ...others.labels, ...written.metadata.labels },
      annotations: { ...annotations, ...written.metadata.annotations },
    },
    spec: written.spec,
  }
}

/** Whether it says all that was written, and is not about to go: what others add to it beside that is theirs. */
const holdsWritten = ({ metadata, spec }: Written, written: MachineEntry): boolean =>
  !hasLeft({ metadata }) &&
  isEqualData(spec, written.spec) &&
  hasLabels(metadata.labels ?? {}, written.metadata.labels ?? {}) &&
  hasLabels(metadata.annotations ?? {}, written.metadata.annotations ?? {})

type Written = Pick<MachineEntry, 'spec'> & {
  readonly metadata: Pick<MachineEntry['metadata'], 'labels' | 'annotations'>
}

interface Annotated {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> | undefined }
}

/** The agent whose entry it is; undefined = it is none of ours. */
const controllerOf = ({ metadata }: Annotated): string | undefined => metadata.annotations?.[controllerAnnotation]

/** Whether its agent has said that its machine has left. */
export const hasLeft = ({ metadata }: Annotated): boolean => metadata.annotations?.[leftAnnotation] !== undefined
