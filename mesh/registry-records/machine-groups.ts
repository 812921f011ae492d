import { z } from 'zod'
import { toObjectKey, type ConfigObject, type Configured } from '../config-object.ts'
import { findKind } from '../config/kind-table.ts'
import { configuredAs } from '../config/parse-object.ts'
import { workloadEntry } from '../config/workload-entry.ts'
import { workloadGroup, type WorkloadGroupSpec } from '../config/workload-group.ts'
import type { ReadinessProbe } from '../config/schema/readiness-probe.ts'
import { setOrDelete } from '../merge/set-or-delete.ts'
import { err, ok, type Result } from '../result.ts'
import { endpointHealth } from '../service.ts'
import type { ObjectChange } from './registry-index.ts'
import { HEALTH_ANNOTATION } from './to-workload.ts'

/** One machine of a WorkloadGroup, whose proxy is connected or was a moment ago. */
export const groupMachine = z
  .object({
    namespace: z.string(),
    group: z.string(),
    /** Of the WorkloadEntry that it is. */
    name: z.string(),
    /** An IP address: where its proxy connects from. */
    address: z.string(),
    /** As its token says. */
    serviceAccount: z.string(),
    /** What probes of it have found. Absent = nothing yet. */
    health: endpointHealth.optional(),
  })
  .readonly()
export type GroupMachine = z.infer<typeof groupMachine>

/** What a token and a connection say of a machine. */
export type MachineClaim = Pick<GroupMachine, 'namespace' | 'group' | 'address' | 'serviceAccount'>

/** One machine, or null when it has left; `key` is its WorkloadEntry's ObjectKey. */
export interface MachineChange {
  readonly key: string
  readonly value: GroupMachine | null
}

/** Istio's: which group a WorkloadEntry was made of. */
const GROUP_ANNOTATION = 'istio.io/autoRegistrationGroup'

/** RFC 1123, of the name of an object. */
const maxNameLength = 253

/** "<group>-<address>[-<network>]", as Istio's auto-registration names its WorkloadEntries. A name too long loses its beginning. */
const toEntryName = (group: string, address: string, network: string | undefined): string =>
  [group, address.replaceAll(':', '-'), ...(network === undefined ? [] : [network])]
    .join('-')
    .slice(-maxNameLength)
    .replace(/^[-.]+/, '')

/**
 * The WorkloadGroups of a cluster and the machines that have joined them: objects and machines in, WorkloadEntries out (Istio reference:
 * networking/workload-group).
 */
export class MachineGroups {
  readonly #groups = new Map<string, Configured<WorkloadGroupSpec>>()
  readonly #machines = new Map<string, GroupMachine>()

  /** The name of the WorkloadEntry that a machine of this address and account is in its group. */
  nameOf(machine: MachineClaim): Result<string, 'no_group' | 'other_account'> {
    const { group, address, serviceAccount } = machine
    const template = this.#groups.get(groupKeyOf(machine))?.spec.template
    if (!template) return err('no_group')
    if (template.serviceAccount !== undefined && template.serviceAccount !== serviceAccount) return err('other_account')
    return ok(toEntryName(group, address, template.network))
  }

  /** How a machine's application is probed; undefined = it counts as healthy. */
  probeOf(machine: MachineClaim): ReadinessProbe | undefined {
    return this.#groups.get(groupKeyOf(machine))?.spec.probe
  }

  /** The WorkloadEntries that may be others now, by key. */
  takeObjects(changes: readonly ObjectChange[]): readonly string[] {
    const changed = new Set<string>()
    for (const { key, value } of changes) {
      const before = this.#groups.get(key)
      setOrDelete(this.#groups, key, value && readGroup(value))
      if (before || this.#groups.has(key)) changed.add(key)
    }
    if (changed.size === 0) return []
    return [...this.#machines].flatMap(([key, machine]) => (changed.has(groupKeyOf(machine)) ? [key] : []))
  }

  takeMachines(changes: readonly MachineChange[]): void {
    for (const { key, value } of changes) setOrDelete(this.#machines, key, value)
  }

  /** Keys of the WorkloadEntries of all machines. */
  keys(): readonly string[] {
    return [...this.#machines.keys()]
  }

  /** The WorkloadEntry of a machine, as its group has it now. */
  find(key: string): ConfigObject | null {
    const machine = this.#machines.get(key)
    const group = machine && this.#groups.get(groupKeyOf(machine))
    if (!group) return null
    const name = this.nameOf(machine)
    return name.ok && name.value === machine.name ? toEntry(group, machine) : null
  }
}

/** The ObjectKey of the WorkloadEntry that a machine is. */
export const toMachineKey = ({ namespace, name }: Pick<GroupMachine, 'namespace' | 'name'>): string =>
  toObjectKey(workloadEntry.kind, namespace, name)

/** The WorkloadGroup that a WorkloadEntry was made of; undefined = a person has written it. */
export const groupOfEntry = ({ metadata }: Annotated): string | undefined => metadata.annotations?.[GROUP_ANNOTATION]

/** What probes have found of the machine of a WorkloadEntry; undefined = nothing. */
export const healthOfEntry = ({ metadata }: Annotated): GroupMachine['health'] =>
  endpointHealth.safeParse(metadata.annotations?.[HEALTH_ANNOTATION]).data

interface Annotated {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> | undefined }
}

const groupKeyOf = ({ namespace, group }: MachineClaim): string => toObjectKey(workloadGroup.kind, namespace, group)

const readGroup = (object: ConfigObject): Configured<WorkloadGroupSpec> | null => {
  if (findKind(object.apiVersion, object.kind) !== workloadGroup) return null
  const parsed = configuredAs(workloadGroup, object)
  return parsed.ok ? parsed.value : null
}

const toEntry = (group: Configured<WorkloadGroupSpec>, machine: GroupMachine): ConfigObject => {
  const { template, metadata, probe } = group.spec
  const { namespace, name, address, serviceAccount } = machine
  // As in Istio, a workload that is probed is healthy once a probe has found it so.
  const health = probe && (machine.health ?? 'unhealthy')
  return {
    apiVersion: group.apiVersion,
    kind: workloadEntry.kind,
    metadata: {
      name,
      namespace,
      ...(metadata?.labels && { labels: metadata.labels }),
      annotations: {
        ...metadata?.annotations,
        [GROUP_ANNOTATION]: group.metadata.name,
        ...(health && { [HEALTH_ANNOTATION]: health }),
      },
    },
    spec: { ...template, address, serviceAccount },
  }
}
