import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AdsServer } from '#agent/ads/ads-server.ts'
import type { ProxyMethod } from '#agent/ads/proxy-methods.ts'
import { systemClock } from '#agent/clock.ts'
import type { CredentialChanges, SecretAccess } from '#agent/credentials/credential-source.ts'
import { ProxyCredentials } from '#agent/credentials/proxy-credentials.ts'
import { ClusterIdentity } from '#agent/identity/cluster-identity.ts'
import { createNobodysCredential } from '#agent/identity/nobody.ts'
import { createLog } from '#agent/log.ts'
import { ProxySets } from '#agent/programming/proxy-sets.ts'
import { MachineTokenAuthenticator } from '#agent/proxy-auth/machine-token-authenticator.ts'
import type { ClusterName, NetworkName } from '#mesh/names.ts'
import type { MeshSettings } from '#mesh/settings.ts'
import type { MachineToken } from '#mesh/state.ts'
import type { ExternalIssuer, TrustState } from '#mesh/trust.ts'
import type { ProxyConfig } from '#mesh/uplink.ts'
import type { ViewChange } from '#mesh/view.ts'
import { createIntermediate, domain, type TestIntermediate, type TestRoot } from '#test/agent/test-pki.ts'
import { readScene, type Scene } from '#test/compile/scene.ts'
import { askAdmin } from '#test/harness/ask-admin.ts'
import { Child, eventually } from '#test/harness/child.ts'
import { buildBootstrap } from '#xds/bootstrap.ts'
import { createCompiler, type Compiler } from '#xds/compiler.ts'
import type { CompileProblem } from '#xds/incremental/unit.ts'
import { toProxyName, type Proxy } from '#xds/proxy.ts'
import { GivenCredentials } from './given-credentials.ts'
import { envoyPath } from '../../../scripts/envoy-path.mjs'

/** A cluster that is in the mesh. */
export interface Member {
  readonly cluster: ClusterName
  readonly network: NetworkName
  readonly intermediate: TestIntermediate
}

export const createMember = async (root: TestRoot, cluster: ClusterName, network: NetworkName): Promise<Member> => ({
  cluster,
  network,
  intermediate: await createIntermediate(root, cluster),
})

/** Where an Envoy runs that is not on this machine's own network. */
export interface ProxyPlace {
  /** What its command line begins with. */
  readonly enter: readonly string[]
  /** Who it runs as. */
  readonly user: number
}

/** The mesh that a stage is a part of, and how its Envoys are started. */
export interface StageOptions {
  readonly root: TestRoot
  readonly member: Member
  readonly members: readonly Member[]
  /** What `$certificates` stands for in the scene. */
  readonly certificates?: string
  readonly drainSeconds?: number
  readonly place?: (proxy: Proxy) => ProxyPlace
  /** Makes the agent's port on loopback one that the proxies reach. */
  readonly exposeAgent?: (port: number) => Promise<AgentAddress>
  readonly settings?: Partial<MeshSettings>
  /** Which of them are trusted where is in the scene too: `externalIn`. */
  readonly issuers?: readonly ExternalIssuer[]
  /** Who takes what its proxies tell beside xDS. */
  readonly methods?: readonly ProxyMethod[]
}

type Nobody = ConstructorParameters<typeof ProxyCredentials>[0]['nobody']

type AgentAddress = { readonly host: string; readonly port: number }

/** One cluster with the compiler, an xDS server and the Envoys of a scene's proxies. */
export class Stage {
  readonly scene: Scene
  readonly #root: TestRoot
  readonly #member: Member
  #compiler: Compiler
  readonly #identity: ClusterIdentity
  #server: AdsServer
  readonly #given = new GivenCredentials()
  readonly #nobody: Nobody
  #credentials: ProxyCredentials
  readonly #tokens = new Map<string, MachineToken>()
  readonly #envoys: StageEnvoy[] = []
  readonly #drainSeconds: number
  readonly #methods: readonly ProxyMethod[]
  #agent: AgentAddress = { host: '127.0.0.1', port: 0 }
  #revision = 1
  #problems: readonly CompileProblem[] = []

  private constructor(
    scene: Scene,
    root: TestRoot,
    member: Member,
    identity: ClusterIdentity,
    nobody: Nobody,
    { drainSeconds = 1, methods = [] }: StageOptions,
  ) {
    this.scene = scene
    this.#root = root
    this.#member = member
    this.#identity = identity
    this.#drainSeconds = drainSeconds
    this.#methods = methods
    this.#compiler = createCompiler(scene.store)
    this.#nobody = nobody
    this.#credentials = this.#createCredentials()
    this.#server = this.#createServer()
    this.#credentials.start()
  }

  #createCredentials(): ProxyCredentials {
    return new ProxyCredentials({
      view: this.scene.store,
      source: this.#given,
      // It is settled where it is waited for.
      clock: { after: () => () => {} },
      log: createLog('silent'),
      nobody: this.#nobody,
      onChange: () => this.#server.push(),
    })
  }

  #createServer(): AdsServer {
    return new AdsServer({
      source: new ProxySets(this.#compiler, this.#identity, this.#credentials, this.scene.store),
      authenticator: new MachineTokenAuthenticator({ machineToken: (id) => this.#tokens.get(id) }, () => Date.now()),
      certificates: this.#identity.serverCertificate,
      clock: systemClock,
      log: createLog('silent'),
      reporter: { cluster: this.#member.cluster, replica: 'stage' },
      onDeliveryChange: () => {},
      methods: this.#methods,
    })
  }

  static async start(yaml: string, options: StageOptions): Promise<Stage> {
    const { root, member, members, certificates = '' } = options
    const settings = { trustDomain: domain, ...options.settings }
    const scene = readScene(yaml, { certificates, standpoint: member, settings })
    const identity = await ClusterIdentity.start({
      cluster: member.cluster,
      trustDomain: domain,
      clock: systemClock,
      random: Math.random,
      log: createLog('silent'),
      material: { certificatePem: member.intermediate.pem, privateKey: member.intermediate.privateKey },
      rootsPem: [root.pem],
      requestCertificate: () => Promise.reject(new Error('not in this test')),
      store: { load: async () => undefined, save: async () => {} },
      onSecretsChange: () => {},
    })
    const stage = new Stage(scene, root, member, identity, await createNobodysCredential(), options)
    const intermediates = members.map(({ cluster, intermediate }) => ({ cluster, pem: intermediate.pem }))
    await identity.updateTrust({ roots: [root.pem], intermediates, issuers: options.issuers, epoch: 0 })
    scene.store.apply([{ kind: 'trust', value: { ...scene.store.trust(), roots: [root.pem], intermediates } }])
    const port = await stage.#server.listen({ host: '127.0.0.1', port: 0 })
    stage.#agent = options.exposeAgent ? await options.exposeAgent(port) : { host: '127.0.0.1', port }
    for (const proxy of scene.proxies) await stage.#startEnvoy(proxy, options.place?.(proxy))
    for (const envoy of stage.#envoys) await envoy.untilLive()
    return stage
  }

  /** What the agent tells of a proxy. */
  proxyConfig(name: string): ProxyConfig | undefined {
    return this.#server.proxyConfig(name)
  }

  /** What the plane says of trust from now on; as an agent takes it over. */
  async changeTrust(trust: TrustState): Promise<readonly string[]> {
    await this.#identity.updateTrust(trust)
    this.#server.push()
    return this.change({ kind: 'trust', value: trust })
  }

  /** Changes what the cluster sees, and waits until all proxies have it; tells what was refused. */
  async change(...changes: readonly ViewChange[]): Promise<readonly string[]> {
    const revision = ++this.#revision
    this.#problems = this.#compiler.update(this.scene.store.apply(changes), revision).problems
    this.#credentials.settle()
    this.#server.compiled(revision)
    return this.untilDelivered()
  }

  /** Changes some of the mesh's settings, as `change` does. */
  changeSettings(changed: Partial<MeshSettings>): Promise<readonly string[]> {
    return this.change({ kind: 'settings', value: { ...this.scene.store.settings(), ...changed } })
  }

  /** Changes what Secrets say, and waits until all proxies have it. */
  changeCredentials(changes: CredentialChanges): Promise<readonly string[]> {
    this.#given.give(changes)
    this.#server.compiled(++this.#revision)
    return this.untilDelivered()
  }

  /** Changes whether an account, "<namespace>/<name>", may read the Secrets of its namespace, as `changeCredentials` does. */
  changeAccess(account: string, access: SecretAccess): Promise<readonly string[]> {
    this.#given.allow(account, access)
    this.#server.compiled(++this.#revision)
    return this.untilDelivered()
  }

  /** What the compiler says is wrong with objects. */
  problems(): readonly CompileProblem[] {
    return this.#problems
  }

  /** What is wrong with what is named by `credentialName`. */
  credentialProblems(): readonly { readonly object: string; readonly message: string }[] {
    return this.#credentials.problems()
  }

  /** Another agent, that remembers nothing, takes the place of the one that there was; Secrets may have changed in between. */
  async restartAgent(changed: CredentialChanges = new Map()): Promise<readonly string[]> {
    await Promise.all([this.#server.close(0), this.#credentials.stop()])
    this.#given.give(changed)
    this.#compiler = createCompiler(this.scene.store)
    this.#credentials = this.#createCredentials()
    this.#server = this.#createServer()
    this.#credentials.start()
    await this.#server.listen(this.#agent)
    this.#server.compiled(this.#revision)
    return this.untilDelivered()
  }

  /** Starts the Envoy of one more proxy. */
  async add(proxy: Proxy): Promise<readonly string[]> {
    const envoy = await this.#startEnvoy(proxy, undefined)
    await envoy.untilLive()
    return this.untilDelivered()
  }

  /** Waits until every proxy has all that it is due, or refuses something; tells what was refused, and who waits for what is to be mended. */
  async untilDelivered(): Promise<readonly string[]> {
    return eventually('all proxies have ACKed everything', () => {
      this.#credentials.settle()
      const { proxies, laggards, nacks } = this.#server.delivery.summary()
      if (nacks.length > 0)
        return nacks.map(({ proxy, resources, reason }) => `${proxy} ${resources.join(', ')}: ${reason}`)
      const blocked = laggards.filter(({ waitingFor }) => waitingFor.startsWith('its configuration'))
      const isDelivered = proxies === this.#envoys.length && blocked.length === laggards.length
      return isDelivered && blocked.map(({ proxy, waitingFor }) => `${proxy} waits for ${waitingFor}`)
    })
  }

  /** The statistics of all its Envoys whose names match, as "name: value". */
  async statistics(filter: RegExp): Promise<string[]> {
    const all = await Promise.all(this.#envoys.map((envoy) => envoy.admin('/stats')))
    return all.flatMap((text) => text.split('\n').filter((line) => filter.test(line)))
  }

  /** All that its Envoys have, as text. */
  async configDumps(): Promise<string> {
    return (await Promise.all(this.#envoys.map((envoy) => envoy.admin('/config_dump')))).join('\n')
  }

  /** The objects that are to blame for what its Envoys refused. */
  blamed(): readonly { readonly object: string; readonly message: string }[] {
    return this.#server.delivery.blamed()
  }

  /** Sets what its Envoys read while they run (Envoy: runtime). */
  async setRuntime(values: Readonly<Record<string, string>>): Promise<void> {
    const path = `/runtime_modify?${new URLSearchParams(values).toString()}`
    await Promise.all(this.#envoys.map((envoy) => envoy.admin(path, 'POST')))
  }

  /** Tells all its Envoys that they are about to end. */
  async failHealth(): Promise<void> {
    await Promise.all(this.#envoys.map((envoy) => envoy.admin('/healthcheck/fail', 'POST')))
  }

  async stop(): Promise<void> {
    await Promise.all(this.#envoys.map((envoy) => envoy.stop()))
    this.#identity.stop()
    await this.#server.close(1000)
  }

  async #startEnvoy(proxy: Proxy, place: ProxyPlace | undefined): Promise<StageEnvoy> {
    const directory = await mkdtemp(join(tmpdir(), 'atoll-stage-'))
    const tokenFile = join(directory, 'machine-token')
    await writeFile(tokenFile, this.#issueToken(proxy))
    const files = buildBootstrap({
      proxyName: toProxyName(proxy),
      cluster: this.#member.cluster,
      trustDomain: domain,
      agent: this.#agent,
      rootsPem: [this.#root.pem],
      directory,
      tokenFile,
      admin: { address: `unix://${join(directory, adminSocket)}`, port: 0 },
      statsFlushMs: 200,
    })
    for (const { name, content } of files) await writeFile(join(directory, name), content)
    if (place) await chown(directory, place.user, place.user)
    const envoy = new StageEnvoy(directory, this.#drainSeconds, place?.enter ?? [])
    this.#envoys.push(envoy)
    return envoy
  }

  #issueToken(proxy: Proxy): string {
    const secret = `secret-of-${toProxyName(proxy)}-that-is-long-enough`.replaceAll('/', '-')
    const secretHash = createHash('sha256').update(secret).digest('hex')
    const id = secretHash.slice(0, 16)
    const expiresAt = new Date(Date.now() + 3_600_000).toISOString()
    this.#tokens.set(id, { ...proxy, id, secretHash, expiresAt })
    return `atoll_machine_${id}_${secret}`
  }
}

const adminSocket = 'admin.sock'

class StageEnvoy {
  readonly #directory: string
  readonly #process: Child

  constructor(directory: string, drainSeconds: number, enter: readonly string[]) {
    this.#directory = directory
    const [command, ...args] = [...enter, envoyPath()]
    this.#process = new Child({
      name: 'envoy',
      command,
      args: [
        ...args,
        '-c',
        'envoy.yaml',
        '--disable-hot-restart',
        '--concurrency',
        '1',
        '--drain-time-s',
        String(drainSeconds),
        '--file-flush-interval-msec',
        '50',
      ],
      cwd: directory,
    })
  }

  async untilLive(): Promise<void> {
    await eventually('Envoy is live', async () => {
      if (!this.#process.running) throw new Error(this.#process.log())
      return (await this.admin('/ready')).startsWith('LIVE')
    })
  }

  admin(path: string, method = 'GET'): Promise<string> {
    return askAdmin(join(this.#directory, adminSocket), path, method)
  }

  async stop(): Promise<void> {
    await this.#process.stop()
    await rm(this.#directory, { recursive: true, force: true })
  }
}
