import type { CredentialSource } from '#agent/credentials/credential-source.ts'
import type { InjectorStatus } from '#agent/injection/injector.ts'
import type { JoinedRecord } from '#agent/join/agent-record.ts'
import type { RecordStore } from '#agent/join/record-store.ts'
import type { ProxyAuthenticator } from '#agent/proxy-auth/proxy-authenticator.ts'
import type { GroupMachines } from '#agent/machines/group-machines.ts'
import type { Registry } from '#agent/registry/registry.ts'
import type { ReporterElection } from '#agent/uplink/reporter-election.ts'
import type { ProxySettingsSource } from '#mesh/injection/proxy-layers.ts'
import type { NetworkName } from '#mesh/names.ts'
import type { Judgement } from '#mesh/status/judge-objects.ts'
import type { Proxy } from '#xds/proxy.ts'

/** What an agent that has joined brings to its platform. */
export interface PlatformEntry {
  readonly record: JoinedRecord
  readonly network: NetworkName
  readonly domainSuffix: string
  /** How proxies are to run that are injected. */
  readonly proxySettings: ProxySettingsSource
  /** The tokens of proxies on machines, which every cluster may have. */
  readonly machines: ProxyAuthenticator
  /** What the election says may have changed. */
  readonly onElectionChange: () => void
  /** What `problems` says has changed. */
  readonly onProblems: () => void
  /** What `startedProxies` says may have changed. */
  readonly onProxiesChange: () => void
}

/** What a platform is to an agent that has joined. */
export interface JoinedPlatform {
  readonly registry: Registry
  readonly authenticator: ProxyAuthenticator
  readonly election: ReporterElection
  /** Where the machines of WorkloadGroups come and go. */
  readonly machines: GroupMachines
  /** What `credentialName` names; absent = there are none. */
  readonly credentials?: CredentialSource
  /** Not the registry, which is started by who listens to it. */
  start(): void
  stop(): Promise<void>
  /** What proxies know their agent by. */
  updateRoots(rootsPem: readonly string[]): void
  /** How long it takes until proxies have them. */
  readonly rootsTakeMilliseconds: number
  /** What holds of the cluster's own objects, for whoever looks at them there. */
  takeJudgement(judgement: Judgement): void
  /** The proxies that run here, connected to an agent or not; undefined = nobody tells. */
  startedProxies(): readonly Proxy[] | undefined
  /** One line each, for people. */
  problems(): Iterable<string>
  /** Absent where nothing is injected. */
  injector?(): InjectorStatus | undefined
}

/** What an agent runs on: a machine with files, or a Kubernetes cluster. Everything that differs between them is behind this. */
export interface ClusterPlatform {
  /** Where the agent keeps who it is. */
  readonly records: RecordStore
  enter(entry: PlatformEntry): JoinedPlatform
}
