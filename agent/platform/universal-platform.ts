import type { Clock } from '#agent/clock.ts'
import type { DataDirectory } from '#agent/data-directory.ts'
import { toRecordStore } from '#agent/join/record-store.ts'
import type { Log } from '#agent/log.ts'
import { DirectoryCredentials } from '#agent/credentials/directory-credentials.ts'
import { GroupMachines } from '#agent/machines/group-machines.ts'
import { UniversalRegistry } from '#agent/registry/universal/universal-registry.ts'
import { firstComer } from '#agent/uplink/reporter-election.ts'
import { groupMachine } from '#mesh/registry-records/machine-groups.ts'
import type { ClusterPlatform, JoinedPlatform, PlatformEntry } from './cluster-platform.ts'

export interface UniversalPlatformOptions {
  /** The registry: a directory of YAML. */
  readonly directory: string
  /** Where the Secrets of gateways are, as YAML; absent = there are none. */
  readonly secrets: string | undefined
  readonly data: DataDirectory
  readonly clock: Clock
  readonly log: Log
}

/** Machines: a directory of YAML, a file of keys, tokens that the plane has made, and no other replica that one could ask. */
export const toUniversalPlatform = (options: UniversalPlatformOptions): ClusterPlatform => ({
  records: toRecordStore(options.data.record),
  enter: (entry) => enter(options, entry),
})

const enter = (
  { directory, secrets, data, clock, log }: UniversalPlatformOptions,
  { record, network, domainSuffix, machines: authenticator }: PlatformEntry,
): JoinedPlatform => {
  const { cluster } = record.membership
  const registry = new UniversalRegistry({ directory, cluster, network, domainSuffix, clock, log })
  const machines = new GroupMachines({ registry, snapshot: data.openSnapshot('machines', groupMachine), clock })
  const credentials = secrets === undefined ? undefined : new DirectoryCredentials({ directory: secrets, clock })
  return {
    registry,
    machines,
    ...(credentials && { credentials }),
    authenticator,
    election: firstComer,
    start: () => machines.start(),
    stop: () => machines.stop(),
    // Who writes bootstraps again has them read at once.
    rootsTakeMilliseconds: 0,
    updateRoots: () => {},
    takeJudgement: () => {},
    startedProxies: () => undefined,
    problems: () => credentials?.problems() ?? [],
  }
}
