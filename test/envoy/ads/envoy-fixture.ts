import 'reflect-metadata'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readlink, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { X509Certificate } from '@peculiar/x509'
import { AdsServer } from '#agent/ads/ads-server.ts'
import { systemClock } from '#agent/clock.ts'
import { ClusterIdentity } from '#agent/identity/cluster-identity.ts'
import { toFingerprint } from '#agent/identity/to-fingerprint.ts'
import { createLog } from '#agent/log.ts'
import { MachineTokenAuthenticator } from '#agent/proxy-auth/machine-token-authenticator.ts'
import type { KeyAlgorithm } from '#mesh/key-algorithm.ts'
import type { ClusterName } from '#mesh/names.ts'
import type { MachineToken } from '#mesh/state.ts'
import { createIntermediate, domain, type TestIntermediate, type TestRoot } from '#test/agent/test-pki.ts'
import { toPeerFacts } from '#mesh/telemetry/peer-facts.ts'
import { Child, eventually } from '#test/harness/child.ts'
import { freePort } from '#test/harness/world.ts'
import { buildBootstrap, type BootstrapFile } from '#xds/bootstrap.ts'
import { ResourceSet, type ResourceUpdate } from '#xds/resource-set.ts'
import { envoyPath } from '../../../scripts/envoy-path.mjs'

/** An agent's xDS server and identity, without the rest of the agent. */
export class TestAgent {
  readonly set = new ResourceSet('test')
  readonly tokens = new Map<string, MachineToken>()
  readonly cluster: ClusterName
  readonly intermediate: TestIntermediate
  readonly identity: ClusterIdentity
  readonly server: AdsServer
  readonly port: number
  readonly #root: TestRoot

  private constructor(
    root: TestRoot,
    cluster: ClusterName,
    intermediate: TestIntermediate,
    identity: ClusterIdentity,
    port: number,
  ) {
    this.#root = root
    this.cluster = cluster
    this.intermediate = intermediate
    this.identity = identity
    this.port = port
    this.server = new AdsServer({
      source: {
        attach: async (proxy) => {
          const held = identity.attach(proxy, toPeerFacts({ name: proxy.workload, labels: {} }))
          await held.ready
          return { sets: [this.set, ...held.sets] }
        },
        detach: () => {},
      },
      authenticator: new MachineTokenAuthenticator({ machineToken: (id) => this.tokens.get(id) }, () => Date.now()),
      certificates: identity.serverCertificate,
      clock: systemClock,
      log: createLog('silent'),
      reporter: { cluster: cluster, replica: 'r1' },
      onDeliveryChange: () => {},
    })
  }

  static async start(root: TestRoot, cluster: ClusterName, port?: number): Promise<TestAgent> {
    const intermediate = await createIntermediate(root, cluster)
    const identity = await ClusterIdentity.start({
      cluster,
      trustDomain: domain,
      clock: systemClock,
      random: Math.random,
      log: createLog('silent'),
      material: { certificatePem: intermediate.pem, privateKey: intermediate.privateKey },
      rootsPem: [root.pem],
      requestCertificate: () => Promise.reject(new Error('not in this test')),
      store: { load: async () => undefined, save: async () => {} },
      onSecretsChange: () => {},
    })
    const agent = new TestAgent(root, cluster, intermediate, identity, port ?? (await freePort()))
    await agent.trust(0, agent)
    await agent.server.listen({ host: '127.0.0.1', port: agent.port })
    return agent
  }

  /** Says which clusters are in the mesh. */
  async trust(epoch: number, ...members: readonly Pick<TestAgent, 'cluster' | 'intermediate'>[]): Promise<void> {
    const intermediates = members.map(({ cluster, intermediate }) => ({ cluster, pem: intermediate.pem }))
    await this.identity.updateTrust({ roots: [this.#root.pem], intermediates, epoch })
    this.server.push()
  }

  /** … of any of these roots. */
  async trustRoots(
    roots: readonly TestRoot[],
    ...members: readonly Pick<TestAgent, 'cluster' | 'intermediate'>[]
  ): Promise<void> {
    const intermediates = members.map(({ cluster, intermediate }) => ({ cluster, pem: intermediate.pem }))
    await this.identity.updateTrust({ roots: roots.map(({ pem }) => pem), intermediates, epoch: 0 })
    this.server.push()
  }

  /** Gives workloads leaves with such keys. */
  async useLeaves(leafKey: KeyAlgorithm): Promise<void> {
    const root = toFingerprint(new X509Certificate(this.#root.pem))
    this.identity.updateIssuance({ root, settled: [], withinSeconds: 0, leafKey })
    await this.identity.maintain()
    this.server.push()
  }

  change(...updates: readonly ResourceUpdate[]): void {
    this.set.apply(updates)
    this.server.push()
  }

  compile(revision: number, ...updates: readonly ResourceUpdate[]): void {
    this.set.apply(updates)
    this.server.compiled(revision)
  }

  /** Lets a workload in; returns its token. */
  token(workload: string, suffix = ''): string {
    const id = createHash('sha256')
      .update(workload + suffix)
      .digest('hex')
      .slice(0, 16)
    const secret = `secret-of-${workload}${suffix}-that-is-long-enough`
    this.tokens.set(id, {
      id,
      secretHash: createHash('sha256').update(secret).digest('hex'),
      role: 'sidecar',
      namespace: 'default',
      serviceAccount: workload,
      workload,
      expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
    })
    return `atoll_machine_${id}_${secret}`
  }

  async stop(): Promise<void> {
    this.identity.stop()
    await this.server.close(1000)
  }
}

/** A real Envoy, started from the bootstrap that users get. */
export class TestEnvoy {
  readonly directory: string
  readonly adminPort: number
  readonly process: Child
  readonly #toFiles: (root: TestRoot) => readonly BootstrapFile[]

  private constructor(directory: string, adminPort: number, toFiles: (root: TestRoot) => readonly BootstrapFile[]) {
    this.directory = directory
    this.adminPort = adminPort
    this.#toFiles = toFiles
    this.process = new Child({
      name: 'envoy',
      command: envoyPath(),
      args: [
        '-c',
        'envoy.yaml',
        '--disable-hot-restart',
        '--concurrency',
        '1',
        '--drain-time-s',
        '2',
        '--log-level',
        'warning',
      ],
      cwd: directory,
    })
  }

  /** `adapt`: how its bootstrap differs from the one that users get. */
  static async start(
    agent: TestAgent,
    root: TestRoot,
    workload: string,
    adapt = (bootstrap: string): string => bootstrap,
  ): Promise<TestEnvoy> {
    const directory = await mkdtemp(join(tmpdir(), 'atoll-envoy-'))
    const adminPort = await freePort()
    await mkdir(directory, { recursive: true })
    const tokenFile = join(directory, 'machine-token')
    await writeFile(tokenFile, `${agent.token(workload)}\n`)
    const toFiles = ({ pem }: TestRoot) =>
      buildBootstrap({
        proxyName: `sidecar/default/${workload}`,
        cluster: agent.cluster,
        trustDomain: domain,
        agent: { host: '127.0.0.1', port: agent.port },
        rootsPem: [pem],
        directory,
        tokenFile,
        admin: { address: '127.0.0.1', port: adminPort },
      })
    for (const { name, content } of toFiles(root))
      await writeFile(join(directory, name), name === 'envoy.yaml' ? adapt(content) : content)
    return new TestEnvoy(directory, adminPort, toFiles)
  }

  async admin(path: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.adminPort}${path}`)
    return response.text()
  }

  async untilLive(): Promise<void> {
    await eventually('Envoy is live', async () => {
      if (!this.process.running) throw new Error(this.process.log())
      return (await this.admin('/ready')).startsWith('LIVE')
    })
  }

  /** Replaces a file as a deployment tool does. */
  async replace(name: string, content: string): Promise<void> {
    await writeFile(join(this.directory, `.${name}`), content)
    await rename(join(this.directory, `.${name}`), join(this.directory, name))
  }

  async countInotifyInstances(): Promise<number> {
    const folder = `/proc/${this.process.pid}/fd`
    const targets = await Promise.all(
      (await readdir(folder)).map((name) => readlink(join(folder, name)).catch(() => 'closed meanwhile')),
    )
    return targets.filter((target) => target === 'anon_inode:inotify').length
  }

  /** From now on it is told to know its agent by this one. */
  async replaceRoot(root: TestRoot): Promise<void> {
    for (const { name, content } of this.#toFiles(root)) await this.replace(name, content)
  }

  async stop(): Promise<void> {
    await this.process.stop()
    await rm(this.directory, { recursive: true, force: true })
  }
}
