import type { Clock } from '#agent/clock.ts'
import type { DataDirectory } from '#agent/data-directory.ts'
import { toRecordStore } from '#agent/join/record-store.ts'
import type { Log } from '#agent/log.ts'
import { DirectoryCredentials } from '#agent/credentials/directory-credentials.ts'
import { UniversalRegistry } from '#agent/registry/universal/universal-registry.ts'
import { firstComer } from '#agent/uplink/reporter-election.ts'
import type { ClusterPlatform } from './cluster-platform.ts'

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
export const toUniversalPlatform = ({
  directory,
  secrets,
  data,
  clock,
  log,
}: UniversalPlatformOptions): ClusterPlatform => ({
  records: toRecordStore(data.record),
  enter: ({ record, network, domainSuffix, machines }) => ({
    registry: new UniversalRegistry({
      directory,
      cluster: record.membership.cluster,
      network,
      domainSuffix,
      clock,
      log,
    }),
    ...(secrets !== undefined && { credentials: new DirectoryCredentials({ directory: secrets, clock, log }) }),
    authenticator: machines,
    election: firstComer,
    start: () => {},
    stop: () => Promise.resolve(),
    updateRoots: () => {},
    takeJudgement: () => {},
    startedProxies: () => undefined,
    problems: () => [],
  }),
})
