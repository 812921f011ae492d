import { randomUUID } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { AdsServer } from './ads/ads-server.ts'
import { toPlaneAnswerer } from './ads/answer-plane.ts'
import { agentVersion } from './agent-version.ts'
import type { Clock } from './clock.ts'
import type { AgentConfig } from './config.ts'
import type { DataDirectory } from './data-directory.ts'
import type { AgentMeasures } from './http/agent-metrics.ts'
import { ClusterIdentity } from './identity/cluster-identity.ts'
import { OutsideSources } from './outside/outside-sources.ts'
import type { JoinedRecord } from './join/agent-record.ts'
import { createSigner } from './join/identity-key.ts'
import { settingsOf, trustOf } from './join/known-mesh.ts'
import { toIntermediates, toIntermediateStore } from './join/recorded-intermediates.ts'
import { MeshLimits } from './limits/mesh-limits.ts'
import type { Log } from './log.ts'
import { ObjectOversight } from './object-oversight.ts'
import { openReplica } from './open-replica.ts'
import type { PlaneConnection } from './plane-connection.ts'
import type { ClusterPlatform, JoinedPlatform } from './platform/cluster-platform.ts'
import { GatewayProber } from './probes/gateway-prober.ts'
import { tcpConnect } from './probes/tcp-connect.ts'
import { ChangeFlow } from './programming/change-flow.ts'
import { prewarm } from './programming/prewarm.ts'
import type { TlsCredential } from './credentials/parse-credential.ts'
import { ProxyCredentials } from './credentials/proxy-credentials.ts'
import { createNobodysCredential } from './identity/nobody.ts'
import { ProxySets } from './programming/proxy-sets.ts'
import { settlingSink } from './programming/settling-sink.ts'
import { clusterOfKey, isMachineTokenKey, toViewChanges } from './programming/to-view-changes.ts'
import { findFirstEnd, MachineTokenAuthenticator } from './proxy-auth/machine-token-authenticator.ts'
import { toReadiness } from './readiness.ts'
import { isOfWorkload } from './registry/is-of-workload.ts'
import type { RegistryBatch } from './registry/registry.ts'
import { keptRecord } from './registry/kept-registry.ts'
import { LocalRegistry } from './registry/local-registry.ts'
import type { StateJournal } from './store/state-journal.ts'
import type { StateStep } from './store/stored-state.ts'
import { CatalogReporter } from './uplink/catalog-reporter.ts'
import type { PlaneReplica } from './uplink/plane-replica.ts'
import { toObjectProblems } from './uplink/to-object-problems.ts'
import { PublicationReporter } from './uplink/publication-reporter.ts'
import type { ForwardTarget } from './telemetry/forward/forward-target.ts'
import { Telemetry } from './telemetry/telemetry.ts'
import { TrustFlow } from './trust-flow.ts'
import { Uplink } from './uplink/uplink.ts'
import { createWebSocketOpener } from './uplink/websocket.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { networkName, trustDomain, type NetworkName } from '#mesh/names.ts'
import { stateKeys, type StateChange } from '#mesh/state.ts'
import type { ViewChange } from '#mesh/view.ts'
import { OfferedCatalog } from '#mesh/security/offered-catalog.ts'
import { withoutExternal } from '#mesh/without-external.ts'
import { createCompiler, type Compiler } from '#xds/compiler.ts'
import { toWorkloadKey } from '#mesh/workload.ts'
import { toProxyName } from '#xds/proxy.ts'

export interface JoinedAgentParts {
  readonly config: AgentConfig
  readonly platform: ClusterPlatform
  readonly record: JoinedRecord
  readonly data: DataDirectory
  readonly connection: PlaneConnection
  /** PEM: whom issuers' servers are verified against, beside the public authorities. */
  readonly issuersCa: string | undefined
  /** The same of registries and servers of WebAssembly modules. */
  readonly modulesCa: string | undefined
  /** Who is sent telemetry beside the plane. */
  readonly forwards: readonly ForwardTarget[]
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly reportStoreProblem: (problem: string) => void
}

const drainMilliseconds = 5000

/**
 * An agent that is a cluster's: all its parts and the ways between them. It serves what it last knew as soon as its own registry is
 * read, whether or not the plane can be reached.
 */
export class JoinedAgent {
  readonly #parts: JoinedAgentParts
  readonly #replica: PlaneReplica
  readonly #journal: StateJournal
  readonly #view: MeshViewStore
  readonly #offered: OfferedCatalog
  readonly #identity: ClusterIdentity
  readonly #compiler: Compiler
  readonly #ads: AdsServer
  readonly #flow: ChangeFlow
  readonly #prober: GatewayProber
  readonly #platform: JoinedPlatform
  readonly #registry: LocalRegistry
  readonly #credentials: ProxyCredentials
  readonly #outside: OutsideSources
  readonly #uplink: Uplink
  readonly #telemetry: Telemetry
  readonly #limits: MeshLimits
  readonly #publications = new PublicationReporter(randomUUID())
  readonly #objects: ObjectOversight
  readonly #trust: TrustFlow
  #serving = false

  private constructor(
    parts: JoinedAgentParts,
    replica: PlaneReplica,
    journal: StateJournal,
    identity: ClusterIdentity,
    nobody: TlsCredential,
  ) {
    const { record, connection, clock, log } = parts
    const { cluster, mesh, meshId } = record.membership
    const network = toNetwork(parts)
    const settings = settingsOf(record.membership, replica.items)
    this.#parts = parts
    this.#replica = replica
    this.#journal = journal
    this.#identity = identity
    this.#view = new MeshViewStore({
      localCluster: cluster,
      localNetwork: network,
      settings,
      trust: trustOf(record.membership, replica.items),
    })
    this.#offered = new OfferedCatalog(cluster, settings)
    this.#compiler = createCompiler(this.#view)
    this.#platform = parts.platform.enter({
      record,
      network,
      domainSuffix: settings.domainSuffix,
      proxySettings: this.#view,
      machines: new MachineTokenAuthenticator(
        {
          machineToken: (id) => this.#findMachineToken(id),
          admit: (token, peer) => this.#platform.machines.admit(token, peer),
        },
        () => clock.now(),
      ),
      onElectionChange: () => this.#uplink.electionChanged(),
      onProblems: () => this.#objects.problemsChanged(),
      onProxiesChange: () => {
        this.#uplink.deliveryChanged()
        this.#objects.problemsChanged()
      },
    })
    this.#credentials = new ProxyCredentials({
      view: this.#view,
      source: this.#platform.credentials,
      clock,
      log,
      nobody,
      onChange: () => {
        this.#ads.push()
        this.#objects.changed()
      },
    })
    this.#outside = new OutsideSources({
      ...parts,
      credentials: this.#credentials,
      view: this.#view,
      onChanges: (changes) => this.#flow.submit(changes),
      onProblems: () => this.#objects.changed(),
    })
    this.#telemetry = new Telemetry({
      ...parts,
      spoolBytes: parts.config.telemetrySpoolMebibytes * 1024 * 1024,
      isAlone: parts.config.registry.kind === 'directory',
      view: this.#view,
      revisionOf: (proxy) => this.#ads.delivery.liveRevisionOf(proxy),
    })
    this.#limits = new MeshLimits({ clock, view: this.#view, onUrgent: () => this.#uplink.leasesDue() })
    this.#ads = new AdsServer({
      source: new ProxySets(this.#compiler, identity, this.#credentials, this.#view),
      authenticator: this.#platform.authenticator,
      certificates: identity.serverCertificate,
      clock,
      log,
      reporter: { cluster, replica: record.replica },
      onOpened: ({ machine }) => this.#platform.machines.opened(machine),
      onHealthStream: ({ machine }, stream) => machine && this.#platform.machines.followHealth(machine, stream),
      onClosed: ({ machine }) => this.#platform.machines.closed(machine),
      methods: [...this.#telemetry.methods, this.#limits.method],
      onDeliveryChange: () => this.#uplink.deliveryChanged(),
      onTrustChange: () => this.#uplink.trustChanged(),
      // Where nobody tells which proxies run, one whose workload is here.
      mayRun: ({ namespace, workload }) =>
        !this.#platform.startedProxies() && !!this.#view.workload(toWorkloadKey(namespace, workload)),
      onBlame: () => this.#objects.changed(),
      startedProxies: () => this.#platform.startedProxies()?.map(toProxyName).toSorted(),
    })
    this.#flow = new ChangeFlow(this.#view, this.#compiler, settlingSink(this.#credentials, this.#ads), log)
    this.#trust = new TrustFlow({
      membership: record.membership,
      identity,
      ads: this.#ads,
      platform: this.#platform,
      clock,
      log,
      onTrust: (trust) => this.#flow.submit([{ kind: 'trust', value: trust }]),
      onReport: () => this.#uplink.trustChanged(),
    })
    this.#prober = new GatewayProber({
      ...parts,
      localNetwork: network,
      connect: tcpConnect,
      resolve: async (hostname) => (await lookup(hostname, { all: true })).map(({ address }) => address),
      onChanges: (changes) => this.#flow.submit(changes),
      onResults: (results) => this.#uplink.setProbes(results),
    })
    this.#registry = new LocalRegistry({
      ...parts,
      registry: this.#platform.registry,
      cluster,
      domainSuffix: settings.domainSuffix,
      snapshot: parts.data.openSnapshot('registry', keptRecord),
      onBatch: (batch, confirmed) => this.#takeRegistry(batch, confirmed),
      onSynced: () => {
        this.#objects.changed()
        this.#uplink.registrySynced()
      },
    })
    this.#uplink = new Uplink({
      ...parts,
      identity: {
        mesh,
        cluster,
        replica: record.replica,
        agentVersion,
        sign: createSigner(record.identityKeyPem),
      },
      openSocket: createWebSocketOpener(connection, meshId),
      replica,
      reporter: new CatalogReporter({ boot: randomUUID(), network, now: () => clock.now() }),
      publications: this.#publications,
      onPublished: () => this.#objects.changed(),
      onTelemetryToken: (token) => this.#telemetry.outbox.setToken(token),
      leases: this.#limits.book,
      election: this.#platform.election,
      removals: this.#registry.removals,
      summariseDelivery: () => (this.#serving ? this.#ads.delivery.summary() : undefined),
      reportTrust: () => (this.#serving ? this.#trust.report() : undefined),
      onStep: (step) => this.#takeStep(step),
      answer: toPlaneAnswerer(this.#ads),
    })
    this.#objects = new ObjectOversight({
      platform: this.#platform,
      credentials: this.#credentials,
      outside: this.#outside,
      view: this.#view,
      flow: this.#flow,
      delivery: this.#ads.delivery,
      publications: this.#publications,
      clock,
      log,
      isKnown: () => this.#registry.isSynced && this.#replica.items.size > 0,
      onMeshTroubles: (troubles, revision) =>
        this.#uplink.setObjectProblems({ ...toObjectProblems(troubles), revision }),
    })
  }

  /** Opens what is kept on disk. Nothing is served before `start`. */
  static async create(parts: JoinedAgentParts): Promise<JoinedAgent> {
    const { platform, record, clock, random, log } = parts
    const { cluster, trustDomain: domain, rootsPem } = record.membership
    const { replica, journal } = openReplica({ ...parts, cluster })
    const late: { agent?: JoinedAgent } = {}
    const identity = await ClusterIdentity.start({
      cluster,
      trustDomain: trustDomain.parse(domain),
      rootsPem,
      ...(await toIntermediates(record)),
      clock,
      random,
      log,
      requestCertificate: async (csrPem) => {
        if (!late.agent) throw new Error('the agent is still starting')
        return (await late.agent.#uplink.requestCertificate(csrPem)).certificatePem
      },
      store: toIntermediateStore(platform.records, record),
      onSecretsChange: () => {
        if (late.agent) late.agent.#trust.secretsChanged()
      },
    })
    await identity.updateTrust(trustOf(record.membership, replica.items))
    late.agent = new JoinedAgent(parts, replica, journal, identity, await createNobodysCredential())
    return late.agent
  }

  /** Resolves when proxies are served; the plane need not be there. */
  async start(): Promise<void> {
    const { log, config, record } = this.#parts
    const stored = Array.from(this.#replica.items, ([key, item]) => ({ key, item }))
    this.#takeItems(stored, this.#replica.revision)
    this.#prober.start()
    this.#platform.start()
    this.#credentials.start()
    this.#outside.start()
    this.#platform.updateRoots(trustOf(record.membership, this.#replica.items).roots)
    this.#trust.start(this.#replica.items)
    const readable = this.#registry.start()
    if (config.gateways) this.#uplink.updateFacts({ gateways: config.gateways })
    this.#uplink.start()
    await readable
    // Without the addresses of other networks' gateways, proxies that come back would lose what is behind them; without keys, all with tokens.
    await Promise.all([this.#prober.lookedUp(), this.#outside.asked()])
    prewarm(this.#compiler, this.#replica.items.values(), this.#platform.startedProxies() ?? [])
    this.#telemetry.start()
    const port = await this.#ads.listen(config.xdsAddress)
    this.#platform.machines.reachable()
    this.#serving = true
    this.#uplink.deliveryChanged()
    this.#uplink.trustChanged()
    log.info({ address: config.xdsAddress.host, port, revision: this.#flow.revision }, 'xds serving')
  }

  /** Ends everything in order; takes no longer than the drain and what the disk needs. */
  async stop(): Promise<void> {
    this.#serving = false
    this.#uplink.stop()
    this.#prober.stop()
    this.#objects.stop()
    this.#identity.stop()
    this.#trust.stop()
    await Promise.all([this.#registry.stop(), this.#platform.stop(), this.#credentials.stop(), this.#outside.stop()])
    await this.#ads.close(drainMilliseconds)
    await this.#telemetry.stop()
    await this.#journal.close()
  }

  readiness(): ReturnType<typeof toReadiness> {
    const { clock, record } = this.#parts
    return toReadiness(
      {
        cluster: record.membership.cluster,
        replica: record.replica,
        registry: this.#registry,
        problems: this.#objects.problemCount,
        serving: this.#serving,
        hasState: this.#replica.items.size > 0,
        compiledRevision: this.#flow.revision,
        proxies: this.#ads.connections.size,
        identity: this.#identity.status(),
        uplink: this.#uplink.status,
        telemetry: this.#telemetry.status(),
      },
      clock.now(),
    )
  }

  /** The standard metrics of what this agent's proxies have counted: Prometheus' text format, in parts. */
  *standardMetrics(): Iterable<string> {
    // Istio's dashboards ask for the versions that run.
    yield `# TYPE istio_build gauge\nistio_build{component="agent",tag="${agentVersion}"} 1\n`
    yield* this.#telemetry.meter.toText()
  }

  measure(): Omit<AgentMeasures, 'storeFailures' | 'now'> {
    return {
      uplink: this.#uplink.status,
      ads: this.#ads.statistics(),
      identity: this.#identity.status(),
      machineTokenNotAfter: findFirstEnd(this.#ads.connections, (id) => this.#findMachineToken(id)),
      gateways: this.#prober.gateways,
      delivery: this.#ads.delivery.summary(),
      keySets: this.#outside.keySets(),
      telemetry: this.#telemetry.status(),
      forwards: this.#telemetry.forwards(),
      meter: this.#telemetry.meter.statistics(),
      injector: this.#platform.injector?.(),
      compiledRevision: this.#flow.revision,
      proxies: this.#ads.connections.size,
      registrySynced: this.#registry.isSynced,
      registryAsOf: this.#registry.asOf,
      registrySources: this.#platform.registry.sources?.() ?? [],
      problems: this.#objects.problemCount,
      limits: this.#limits.book.statistics(),
    }
  }

  #takeRegistry(batch: RegistryBatch, confirmed: string | undefined): void {
    const { config } = this.#parts
    const { upserts, removes } = this.#offered.take(batch.changes)
    this.#flow.submit(batch.changes)
    // A proxy whose pod is gone, or became something else, is not what it was granted.
    if (batch.changes.some(isOfWorkload)) this.#ads.revalidate()
    this.#uplink.updateFacts({
      ...(batch.gateways && !config.gateways ? { gateways: batch.gateways } : {}),
      ...(batch.namespaces ? { namespaces: batch.namespaces } : {}),
    })
    this.#uplink.updateCatalog(upserts.map(withoutExternal), removes, confirmed)
    this.#uplink.updateObjects(
      batch.changes.flatMap((change) => (change.kind === 'config' ? [[change.key, change.value] as const] : [])),
    )
    this.#objects.changed()
  }

  /** Proxies first, then the disk: when this returns, both have it. */
  #takeStep(step: StateStep): void {
    this.#takeItems(step.items, step.revision)
    this.#registry.setDomainSuffix(settingsOf(this.#parts.record.membership, this.#replica.items).domainSuffix)
    this.#trust.takeStep(step, this.#replica.items)
    if (step.items.some(({ key }) => isMachineTokenKey(key))) this.#ads.revalidate()
    this.#journal.append(step)
    this.#objects.changed()
  }

  /** What the plane says may change what this cluster says of its proxies. */
  #takeItems(items: readonly StateChange[], revision: number): void {
    const changes = this.#toChanges(items)
    this.#flow.submit(changes, revision)
    this.#limits.takeItems(items)
    const { upserts, removes } = this.#offered.take(changes)
    if (upserts.length > 0) this.#uplink.updateCatalog(upserts.map(withoutExternal), removes)
  }

  /** Other clusters' gateways go through the prober, which makes addresses of their names. */
  #toChanges(items: readonly StateChange[]): ViewChange[] {
    const clusters = items.flatMap(({ key, item }) => {
      const cluster = clusterOfKey(key)
      return cluster === undefined ? [] : [[cluster, item?.kind === 'cluster' ? item.value : null] as const]
    })
    return [...(clusters.length > 0 ? this.#prober.update(clusters) : []), ...toViewChanges(items)]
  }

  #findMachineToken(id: string) {
    const item = this.#replica.items.get(stateKeys.machineToken(id))
    return item?.kind === 'machine-token' ? item.value : undefined
  }
}

const toNetwork = ({ config, record }: JoinedAgentParts): NetworkName =>
  config.network ?? networkName.parse(record.membership.network)
