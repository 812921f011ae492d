import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import type { Registry, RegistryBatch, RegistryChange, RegistryProblem } from '#agent/registry/registry.ts'
import { parseObjectKey } from '#mesh/config-object.ts'
import { eastWestGatewayPort, eastWestGatewayRole, roleLabel } from '#mesh/kubernetes/conventions.ts'
import type { ReadinessProbe } from '#mesh/config/schema/readiness-probe.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { setOrDelete } from '#mesh/merge/set-or-delete.ts'
import type { ClusterName, NetworkName } from '#mesh/names.ts'
import {
  MachineGroups,
  toMachineKey,
  type MachineChange,
  type MachineClaim,
} from '#mesh/registry-records/machine-groups.ts'
import {
  isRecordKind,
  RegistryIndex,
  type ObjectChange,
  type RegistryDifference,
} from '#mesh/registry-records/registry-index.ts'
import { err, type Result } from '#mesh/result.ts'
import { gatewayAddress, type GatewayAddress } from '#mesh/service.ts'
import type { Workload } from '#mesh/workload.ts'
import { DirectoryWatcher, type FileContent } from './directory-watcher.ts'
import { FileSet } from './file-set.ts'

export interface UniversalRegistryOptions {
  readonly directory: string
  readonly cluster: ClusterName
  readonly network: NetworkName
  readonly domainSuffix: string
  readonly clock: Clock
  readonly log: Log
}

/** The registry of a universal cluster: a directory of YAML and JSON files (docs/universal.md). */
export class UniversalRegistry implements Registry {
  readonly synced: Promise<void>
  readonly #options: UniversalRegistryOptions
  readonly #watcher: DirectoryWatcher
  readonly #files = new FileSet()
  readonly #machines = new MachineGroups()
  /** How many objects a namespace holds. */
  readonly #namespaces = new Map<string, number>()
  readonly #objectNamespaces = new Map<string, string>()
  #index: RegistryIndex
  #domainSuffix: string
  /** By workload. */
  readonly #gateways = new Map<string, GatewayAddress>()
  #listener: (batch: RegistryBatch) => void = () => {}
  #resolveSynced: () => void = () => {}
  #read = false
  #unreadable: string | undefined

  constructor(options: UniversalRegistryOptions) {
    const { directory, clock } = options
    this.#options = options
    this.#domainSuffix = options.domainSuffix
    this.#index = this.#createIndex(options.domainSuffix)
    this.synced = new Promise((resolve) => {
      this.#resolveSynced = resolve
    })
    this.#watcher = new DirectoryWatcher({
      directory,
      clock,
      onFiles: (files) => this.#takeFiles(files),
      onUnreadable: (reason) => this.#setUnreadable(reason),
    })
  }

  start(listener: (batch: RegistryBatch) => void): void {
    this.#listener = listener
    this.#watcher.start()
  }

  stop(): Promise<void> {
    return this.#watcher.stop()
  }

  setDomainSuffix(domainSuffix: string): void {
    const before = this.#index
    const renamed = { from: this.#domainSuffix, to: domainSuffix }
    this.#domainSuffix = domainSuffix
    this.#index = this.#createIndex(domainSuffix)
    const { catalog } = this.#index.apply([...this.#toObjects(this.#machines.keys()), ...this.#files.all()])
    const gone = [...before.catalog().keys()].filter((service) => !this.#index.catalog().has(service))
    if (this.#read)
      this.#listener({
        changes: [...gone.map((service) => ({ service, value: null })), ...catalog].map((entry) =>
          this.#toCatalogChange(entry),
        ),
        renamed,
      })
  }

  /** What a machine would be here. Only for a registry that has been read. */
  nameMachine(machine: MachineClaim): Result<string, 'no_group' | 'other_account' | 'name_taken'> {
    const name = this.#machines.nameOf(machine)
    if (!name.ok) return name
    const isTaken = this.#files.find(toMachineKey({ namespace: machine.namespace, name: name.value })) !== null
    return isTaken ? err('name_taken') : name
  }

  /** How a machine's application is probed; undefined = it is not. */
  probeOf(machine: MachineClaim): ReadinessProbe | undefined {
    return this.#machines.probeOf(machine)
  }

  /** Machines of WorkloadGroups have come, changed or left; `left`: the workloads among them that are known to have left. */
  takeMachines(changes: readonly MachineChange[], left?: ReadonlySet<string>): void {
    this.#machines.takeMachines(changes)
    if (this.#read)
      this.#takeObjects(
        changes.map(({ key }) => key),
        { ...(left && { left }) },
      )
  }

  problems(): readonly RegistryProblem[] {
    const { directory } = this.#options
    const whole: RegistryProblem[] =
      this.#unreadable === undefined
        ? []
        : [{ source: directory, problem: { code: 'syntax', severity: 'error', path: '', message: this.#unreadable } }]
    return [
      ...whole,
      ...this.#files.problems(),
      ...this.#index.problems().map((problem) => ({ source: directory, problem })),
    ]
  }

  #createIndex(domainSuffix: string): RegistryIndex {
    const { cluster, network } = this.#options
    return new RegistryIndex({ cluster, network, domainSuffix })
  }

  #takeFiles(files: ReadonlyMap<string, FileContent>): void {
    const first = !this.#read
    this.#read = true
    const changed = this.#files.update(files)
    const ofGroups = this.#machines.takeObjects(changed)
    this.#takeObjects([...changed.map(({ key }) => key), ...(first ? this.#machines.keys() : ofGroups)], { first })
    if (first) this.#resolveSynced()
  }

  /** A file stands before a machine of the same name. */
  #toObjects(keys: readonly string[]): ObjectChange[] {
    return Array.from(new Set(keys), (key) => ({ key, value: this.#files.find(key) ?? this.#machines.find(key) }))
  }

  #takeObjects(keys: readonly string[], { first, left }: { first?: boolean; left?: ReadonlySet<string> }): void {
    const objects = this.#toObjects(keys)
    const difference = this.#index.apply(objects)
    const changes = this.#toChanges(objects, difference)
    const gateways = this.#changedGateways(difference)
    const namespaces = this.#changedNamespaces(objects)
    if (first || changes.length > 0 || gateways || namespaces)
      this.#listener({
        changes,
        ...(left && { left }),
        ...(gateways || first ? { gateways: [...this.#gateways.values()].toSorted(byAddress) } : {}),
        ...(namespaces || first ? { namespaces: [...this.#namespaces.keys()].toSorted() } : {}),
      })
  }

  #toChanges(objects: readonly ObjectChange[], difference: RegistryDifference): RegistryChange[] {
    return [
      ...objects
        .filter(({ key }) => !isRecordKind(parseObjectKey(key)?.kind ?? ''))
        .map(({ key, value }) => ({ kind: 'config' as const, origin: 'cluster' as const, key, value })),
      ...difference.workloads.map((change) => ({ kind: 'workload' as const, ...change })),
      ...difference.catalog.map((change) => this.#toCatalogChange(change)),
    ]
  }

  #toCatalogChange({ service, value }: RegistryDifference['catalog'][number]): RegistryChange {
    return { kind: 'catalog', cluster: this.#options.cluster, service, value }
  }

  /** True when the workloads that are gateways are different ones now. */
  #changedGateways({ workloads }: RegistryDifference): boolean {
    let changed = false
    for (const { key, value } of workloads) {
      const address = value ? toGatewayAddress(value) : undefined
      changed ||= !isEqualData(this.#gateways.get(key), address)
      setOrDelete(this.#gateways, key, address)
    }
    return changed
  }

  #changedNamespaces(objects: readonly ObjectChange[]): boolean {
    let changed = false
    for (const { key, value } of objects) {
      const before = this.#objectNamespaces.get(key)
      const after = value?.metadata.namespace
      if (before === after) continue
      if (before !== undefined) changed = this.#count(before, -1) || changed
      if (after !== undefined) changed = this.#count(after, 1) || changed
      if (after === undefined) this.#objectNamespaces.delete(key)
      else this.#objectNamespaces.set(key, after)
    }
    return changed
  }

  /** True when the namespace came or went by it. */
  #count(namespace: string, difference: number): boolean {
    const before = this.#namespaces.get(namespace) ?? 0
    if (before + difference === 0) this.#namespaces.delete(namespace)
    else this.#namespaces.set(namespace, before + difference)
    return before === 0 || before + difference === 0
  }

  #setUnreadable(reason: string | undefined): void {
    const { log, directory } = this.#options
    if (reason === this.#unreadable) return
    this.#unreadable = reason
    if (reason === undefined) log.info({ directory }, 'the registry can be read again')
    else log.error({ directory, reason }, "the registry can't be read; what was read before goes on")
  }
}

/** undefined for what is no gateway, or one that no other network could reach. */
const toGatewayAddress = ({ labels, address }: Workload): GatewayAddress | undefined =>
  labels[roleLabel] === eastWestGatewayRole && !address.startsWith('unix:')
    ? gatewayAddress.safeParse({ address, port: eastWestGatewayPort }).data
    : undefined

const byAddress = (left: GatewayAddress, right: GatewayAddress): number => (left.address < right.address ? -1 : 1)
