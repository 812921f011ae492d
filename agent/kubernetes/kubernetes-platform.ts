import type { Clock } from '#agent/clock.ts'
import type { HostPort } from '#agent/config.ts'
import type { DataDirectory } from '#agent/data-directory.ts'
import { Injector, type InjectorStatus } from '#agent/injection/injector.ts'
import { publishCaBundle } from '#agent/injection/publish-ca-bundle.ts'
import { SecretAuthorityStore } from '#agent/injection/secret-authority-store.ts'
import type { Log } from '#agent/log.ts'
import { GroupMachines } from '#agent/machines/group-machines.ts'
import type { ClusterPlatform, JoinedPlatform, PlatformEntry } from '#agent/platform/cluster-platform.ts'
import { AccountDeletions } from '#agent/proxy-auth/account-deletions.ts'
import { ClusterAuthenticator } from '#agent/proxy-auth/cluster-authenticator.ts'
import { issuerDocument, IssuerKeys } from '#agent/proxy-auth/issuer-keys.ts'
import type { ProxyAuthenticator } from '#agent/proxy-auth/proxy-authenticator.ts'
import { ServiceAccountAuthenticator } from '#agent/proxy-auth/service-account-authenticator.ts'
import { toPodProxy } from '#agent/proxy-auth/to-pod-proxy.ts'
import { TokenReviews } from '#agent/proxy-auth/token-reviews.ts'
import { KeptPods } from '#agent/registry/kubernetes/kept-pods.ts'
import { KubernetesRegistry } from '#agent/registry/kubernetes/kubernetes-registry.ts'
import { knownPod } from '#agent/registry/kubernetes/pod-directory.ts'
import { defaultInjectionSettings, type InjectionSettings } from '#mesh/injection/injection-settings.ts'
import {
  agentName,
  agentXdsPort,
  defaultRevision,
  proxyAdminPort,
  proxyConfigDirectory,
  systemNamespace,
  tokenAudience,
  tokenFile,
} from '#mesh/kubernetes/conventions.ts'
import { trustDomain } from '#mesh/names.ts'
import type { Judgement } from '#mesh/status/judge-objects.ts'
import { buildBootstrap } from '#xds/bootstrap.ts'
import type { Proxy } from '#xds/proxy.ts'
import { findCrowdedNodes, readInotifyLimit } from './crowded-nodes.ts'
import { KeptRecordStore } from './kept-record-store.ts'
import { KubernetesClient } from './kubernetes-client.ts'
import { loadKubeConfig } from './load-kube-config.ts'
import { MachineEntries, machineEntryKind } from './machine-entries.ts'
import { ObjectClient } from './object-client.ts'
import { configMapKind, ProxyConfigMaps } from './proxy-config-maps.ts'
import { leaseKind, ReporterLease } from './reporter-lease.ts'
import { SecretCredentials } from './secret-credentials.ts'
import { SecretRecordStore, secretKind } from './secret-record-store.ts'
import { StatusWriter } from './status-writer.ts'
import { fetchIssuer, findServiceAccountUid, reviewToken } from './token-issuer.ts'

export interface KubernetesPlatformOptions {
  /** A file; undefined = the service account of the pod that the agent is. */
  readonly kubeconfig: string | undefined
  /** Tells this replica from the others: the pod's name. */
  readonly replica: string
  /** undefined = this agent injects nothing. */
  readonly injection: (Omit<InjectionSettings, 'resources'> & { readonly webhookAddress: HostPort }) | undefined
  readonly data: DataDirectory
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
}

/** Throws AgentError `bad_config` when no API server is named. */
export const openKubernetesPlatform = (options: KubernetesPlatformOptions): ClusterPlatform => {
  const client = new KubernetesClient(loadKubeConfig(options.kubeconfig))
  return {
    records: new KeptRecordStore({
      secret: new SecretRecordStore(new ObjectClient(client, secretKind), options.replica),
      copy: options.data.record,
      replica: options.replica,
      log: options.log,
    }),
    enter: (entry) => new JoinedKubernetesPlatform(client, options, entry),
  }
}

/** A kubelet brings a changed ConfigMap into its pods within a minute or two. */
const rootsTakeMilliseconds = 150_000

class JoinedKubernetesPlatform implements JoinedPlatform {
  readonly registry: KubernetesRegistry
  readonly authenticator: ProxyAuthenticator
  readonly election: ReporterLease
  readonly credentials: SecretCredentials
  readonly #issuerKeys: IssuerKeys
  readonly machines: GroupMachines
  readonly #machineEntries: MachineEntries
  readonly #configMaps: ProxyConfigMaps
  readonly #statuses: StatusWriter
  readonly #injector: Injector | undefined
  readonly #options: KubernetesPlatformOptions

  constructor(client: KubernetesClient, options: KubernetesPlatformOptions, entry: PlatformEntry) {
    const { data, clock, random, log, replica, injection } = options
    this.#options = options
    const {
      record,
      network,
      domainSuffix,
      proxySettings,
      machines: tokens,
      onElectionChange,
      onProblems,
      onProxiesChange,
    } = entry
    const { cluster } = record.membership
    this.registry = new KubernetesRegistry({
      client,
      cluster,
      network,
      domainSuffix,
      clock,
      random,
      log,
      keptPods: new KeptPods(data.openSnapshot('pods', knownPod), clock),
      onProxiesChange,
      onInjectionChange: () => this.#configMaps.changed(),
      onObject: (key, object) => this.#machineEntries.takeObject(key, object),
    })
    this.#machineEntries = new MachineEntries({
      entries: new ObjectClient(client, machineEntryKind),
      replica,
      isOrphaned: (other) => this.election.isHeld && this.#isGone(other),
      clock,
      log,
      onProblems,
    })
    this.machines = new GroupMachines({ registry: this.#machineEntries, clock })
    this.#issuerKeys = new IssuerKeys({
      fetch: () => fetchIssuer(client),
      kept: data.openDocument('issuer', issuerDocument),
      clock,
      log,
    })
    this.authenticator = new ClusterAuthenticator(this.#createPodAuthenticator(client, clock, log), tokens)
    this.election = new ReporterLease({
      leases: new ObjectClient(client, leaseKind),
      replica,
      clock,
      random,
      log,
      onChange: () => {
        onElectionChange()
        this.#configMaps.changed()
        this.#statuses.electionChanged()
        this.#injector?.electionChanged()
      },
    })
    this.credentials = new SecretCredentials({ client, clock, random, log })
    this.#configMaps = new ProxyConfigMaps({
      configMaps: new ObjectClient(client, configMapKind),
      isReporter: () => this.election.isHeld,
      namespaces: () => this.registry.injectedNamespaces(injection?.revision ?? defaultRevision),
      toFiles: (rootsPem) => toProxyFiles(entry, rootsPem),
      clock,
      log,
      onProblems,
    })
    this.#statuses = new StatusWriter({
      client,
      observed: this.registry.observed,
      isReporter: () => this.election.isHeld,
      clock,
      random,
      log,
      onProblems,
    })
    this.registry.observed.listen((key) => this.#statuses.consider(key))
    this.#injector =
      injection &&
      new Injector({
        settings: { ...defaultInjectionSettings, ...injection },
        proxySettings,
        store: new SecretAuthorityStore(new ObjectClient(client, secretKind)),
        publish: (caBundlePem) => publishCaBundle(client, caBundlePem),
        isReporter: () => this.election.isHeld,
        clock,
        elapsed: () => performance.now(),
        random,
        log,
      })
  }

  start(): void {
    void this.#issuerKeys.start()
    this.election.start()
    this.machines.start()
    this.#machineEntries.start()
    void this.#startInjector()
  }

  async #startInjector(): Promise<void> {
    const { injection, log } = this.#options
    if (!injection) return
    try {
      await this.#injector?.start(injection.webhookAddress)
    } catch (error) {
      log.error({ err: error, address: injection.webhookAddress }, "the injector can't be served here")
    }
  }

  async stop(): Promise<void> {
    this.#issuerKeys.stop()
    this.#configMaps.stop()
    this.#statuses.stop()
    this.#machineEntries.stop()
    await Promise.all([this.machines.stop(), this.election.stop(), this.#injector?.stop()])
  }

  get rootsTakeMilliseconds(): number {
    return rootsTakeMilliseconds
  }

  updateRoots(rootsPem: readonly string[]): void {
    this.#configMaps.updateRoots(rootsPem)
  }

  takeJudgement({ clusterConditions, undecided }: Judgement): void {
    this.#statuses.update(clusterConditions, undecided)
  }

  startedProxies(): readonly Proxy[] | undefined {
    const pods = this.registry.pods.all()
    return pods && [...pods].filter(({ proxyStarted }) => proxyStarted).map(toPodProxy)
  }

  problems(): Iterable<string> {
    return [
      ...this.#configMaps.problems(),
      ...this.#machineEntries.problems(),
      ...this.#statuses.problems(),
      ...findCrowdedNodes(this.registry.pods.all() ?? [], readInotifyLimit()),
    ]
  }

  injector(): InjectorStatus | undefined {
    return this.#injector?.status()
  }

  /** Whether an agent's pod is gone. Where agents are no pods, nobody can tell. */
  #isGone(replica: string): boolean {
    const { pods } = this.registry
    const isPod = (name: string) => pods.find(systemNamespace, name) !== undefined
    return pods.complete && isPod(this.#options.replica) && !isPod(replica)
  }

  #createPodAuthenticator(client: KubernetesClient, clock: Clock, log: Log): ProxyAuthenticator {
    const now = (): number => clock.now()
    return new ServiceAccountAuthenticator({
      reviews: new TokenReviews({ review: (token) => reviewToken(client, token, tokenAudience), now, log }),
      issuerKeys: this.#issuerKeys,
      accounts: new AccountDeletions({
        findUid: (namespace, name) => findServiceAccountUid(client, namespace, name),
        now,
        log,
      }),
      pods: this.registry.pods,
      clock,
    })
  }
}

/** The same for all pods of a cluster: each says its own name on Envoy's command line. */
const toProxyFiles = (
  { record: { membership } }: PlatformEntry,
  rootsPem: readonly string[],
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    buildBootstrap({
      proxyName: 'pod',
      cluster: membership.cluster,
      trustDomain: trustDomain.parse(membership.trustDomain),
      agent: { host: `${agentName}.${systemNamespace}.svc`, port: agentXdsPort },
      rootsPem,
      directory: proxyConfigDirectory,
      tokenFile,
      admin: { address: '127.0.0.1', port: proxyAdminPort },
    }).map(({ name, content }) => [name, content]),
  )
