import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { randomInt } from 'node:crypto'
import { createServer, type AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import type { MachineToken } from '#mesh/state.ts'
import { Child, run } from './child.ts'
import { ownPrograms, type Programs } from './programs.ts'
import type { ServerCertificate } from './server-certificate.ts'
import { envoyPath } from '../../scripts/envoy-path.mjs'

/** A TCP port that was free a moment ago. */
export const freePort = async (host = '127.0.0.1'): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** One cluster of a world: its files, its agent, its proxies, and loopback addresses that no other cluster uses. */
export interface WorldCluster {
  readonly name: string
  readonly network: string
  /** The registry's directory of YAML. */
  readonly directory: string
  readonly dataDirectory: string
  /** First three octets of the cluster's addresses, such as "127.71.12". */
  readonly prefix: string
  readonly xdsAddress: string
  readonly httpAddress: string
  agent: Child | undefined
  readonly proxies: Map<string, WorldProxy>
}

export interface WorldProxy {
  readonly name: string
  readonly directory: string
  readonly address: string
  envoy: Child | undefined
}

export interface PlaneOptions {
  readonly data: string
  readonly host: string
  readonly port: number
  readonly certificate?: ServerCertificate | undefined
  /** File with what it is told of a KMS. */
  readonly kms?: string | undefined
  /** Whose plane it is; default: this clone's. */
  readonly programs?: Programs
}

/** `atoll plane serve` */
export const toPlaneProgram = ({ data, host, port, certificate, kms, programs = ownPrograms }: PlaneOptions) => ({
  command: process.execPath,
  args: [
    programs.atoll,
    'plane',
    'serve',
    '--data',
    data,
    '--port',
    String(port),
    '--host',
    host,
    ...(certificate ? ['--tls-certificate', certificate.file, '--tls-key', certificate.keyFile] : []),
    ...(kms === undefined ? [] : ['--kms', kms]),
  ],
})

export interface WorldOptions {
  /** Address that the plane listens on; default: loopback. */
  readonly host?: string
  /** With it the plane speaks HTTPS. */
  readonly certificate?: ServerCertificate
  /** What the command line finds Kubernetes clusters in. */
  readonly kubeconfig?: string
}

/**
 * A whole mesh on this machine's loopback addresses, made of the real programs: the plane (`atoll plane serve`), agents,
 * Envoys. Everything goes through the command line, as a person would do it.
 */
export class World {
  readonly directory: string
  readonly port: number
  readonly clusters = new Map<string, WorldCluster>()
  mesh = 'demo'
  /** Which version's programs are started from now on. */
  readonly programs = { plane: ownPrograms, agents: ownPrograms, cli: ownPrograms }
  plane: Child | undefined
  /** File with what the plane is told of a KMS, from its next start on. */
  kms: string | undefined
  #octet = randomInt(16, 240)

  readonly #options: WorldOptions

  private constructor(directory: string, port: number, options: WorldOptions) {
    this.directory = directory
    this.port = port
    this.#options = options
  }

  static async create(directory: string, options: WorldOptions = {}): Promise<World> {
    await mkdir(directory, { recursive: true })
    return new World(directory, await freePort(options.host), options)
  }

  get host(): string {
    return this.#options.host ?? '127.0.0.1'
  }

  get url(): string {
    return `${this.#options.certificate ? 'https' : 'http'}://${this.host}:${this.port}`
  }

  /** Runs `atoll …` with this world's own user configuration; throws with its output when it fails, unless `allowFailure`. */
  async atoll(
    args: readonly string[],
    options: { readonly input?: string; readonly allowFailure?: boolean } = {},
  ): Promise<{ code: number | null; stdout: string; output: string }> {
    const result = await run({
      name: `atoll ${args[0] ?? ''}`,
      command: process.execPath,
      args: [this.programs.cli.atoll, ...args],
      env: this.userEnvironment(),
      ...(options.input === undefined ? {} : { input: options.input }),
    })
    if (result.code !== 0 && !options.allowFailure)
      throw new Error(`atoll ${args.join(' ')} ended with ${result.code}:\n${result.output}`)
    return result
  }

  async atollJson<T>(args: readonly string[]): Promise<T> {
    return JSON.parse((await this.atoll([...args, '--output', 'json'])).stdout) as T
  }

  async startPlane(): Promise<void> {
    const { host, port, planeData: data, kms } = this
    const { certificate } = this.#options
    this.plane = new Child({
      name: 'plane',
      ...toPlaneProgram({ data, host, port, certificate, kms, programs: this.programs.plane }),
      env: this.userEnvironment(),
    })
    await this.plane.waitForLine(/https?:\/\/[\d.]+:\d+/, 180_000)
  }

  /** Signs in at a new plane with its set-up token, to an org of the mesh's name, and makes the mesh; `tell` hears the commands. */
  async signIn(trustDomain?: string, tell: (command: string) => void = () => {}): Promise<void> {
    const input = (await readFile(join(this.planeData, 'setup-token'), 'utf8')).trim()
    const login = ['login', '--url', this.url, '--setup-token-stdin', '--org', this.mesh]
    tell(`atoll ${login.join(' ')}`)
    await this.atoll(login, { input })
    const create = ['mesh', 'create', this.mesh, ...(trustDomain === undefined ? [] : ['--trust-domain', trustDomain])]
    tell(`atoll ${create.join(' ')}`)
    await this.atoll(create)
  }

  get planeData(): string {
    return join(this.directory, 'plane')
  }

  /** Makes the cluster's folder and addresses and joins it to the mesh; its agent is not started yet. */
  async join(name: string, network: string): Promise<WorldCluster> {
    const prefix = `127.${this.#octet++}.${randomInt(1, 250)}`
    const cluster: WorldCluster = {
      name,
      network,
      directory: join(this.directory, name, 'registry'),
      dataDirectory: join(this.directory, name, 'agent'),
      prefix,
      xdsAddress: `${prefix}.1:15010`,
      // Not the default one: a sidecar of another test may have that, on all addresses.
      httpAddress: `${prefix}.1:15019`,
      agent: undefined,
      proxies: new Map(),
    }
    await mkdir(cluster.directory, { recursive: true })
    await this.atoll([
      'cluster',
      'join',
      name,
      '--network',
      network,
      '--kind',
      'universal',
      '--directory',
      cluster.directory,
      '--data',
      cluster.dataDirectory,
      '--xds-address',
      cluster.xdsAddress,
      '--http-address',
      cluster.httpAddress,
    ])
    this.clusters.set(name, cluster)
    return cluster
  }

  /** `preload`: a module that Node loads before the agent. */
  async startAgent(cluster: WorldCluster, preload?: string): Promise<void> {
    cluster.agent = new Child({
      name: `agent ${cluster.name}`,
      command: process.execPath,
      args: [
        ...(preload === undefined ? [] : ['--import', preload]),
        this.programs.agents.agent,
        'run',
        '--config',
        join(cluster.dataDirectory, 'agent.yaml'),
      ],
    })
    await cluster.agent.waitForLine(/xds.*(serving|listening)/i)
  }

  /** Writes one file of the registry as a deployment tool does: beside it, then renamed over it. */
  async writeRegistry(cluster: WorldCluster, file: string, text: string): Promise<void> {
    const path = join(cluster.directory, file)
    await mkdir(dirname(path), { recursive: true })
    const temporary = join(dirname(cluster.directory), `.${file.replaceAll('/', '_')}.tmp`)
    await writeFile(temporary, text)
    await rename(temporary, path)
  }

  /**
   * A machine token and Envoy's bootstrap for one workload of a cluster (namespace default), or for one machine of a WorkloadGroup; its Envoy
   * is not started yet.
   */
  async addProxy(
    cluster: WorldCluster,
    proxy: {
      readonly role: MachineToken['role']
      readonly serviceAccount: string
      readonly workload: string
      /** `workload` is a WorkloadGroup's name. */
      readonly isOfGroup?: boolean
      /** Last part of its address. */
      readonly octet: number
    },
  ): Promise<WorldProxy> {
    const address = `${cluster.prefix}.${proxy.octet}`
    const workload = proxy.isOfGroup ? `${proxy.workload}-${address}` : proxy.workload
    const directory = join(this.directory, cluster.name, workload)
    const token = join(directory, 'machine-token')
    await mkdir(directory, { recursive: true })
    await this.atoll(
      ['machine', 'token', 'create', '--cluster', cluster.name, '--role', proxy.role, '--namespace', 'default'].concat([
        '--service-account',
        proxy.serviceAccount,
        proxy.isOfGroup ? '--group' : '--workload',
        proxy.workload,
        '--out',
        token,
      ]),
    )
    const added: WorldProxy = { name: `${proxy.role}/default/${workload}`, directory, address, envoy: undefined }
    await this.writeBootstrap(cluster, added, proxy.isOfGroup === true)
    cluster.proxies.set(workload, added)
    return added
  }

  /** Writes what a proxy starts with, or writes it again: with the roots of now. */
  async writeBootstrap(cluster: WorldCluster, { directory, address }: WorldProxy, isOfGroup = false): Promise<void> {
    const token = join(directory, 'machine-token')
    const where = ['--cluster', cluster.name, '--agent', cluster.xdsAddress, '--out', directory]
    await this.atoll(['bootstrap', '--token-file', token, ...where, ...(isOfGroup ? ['--address', address] : [])])
  }

  startEnvoy(proxy: WorldProxy): void {
    proxy.envoy = new Child({
      name: `envoy ${proxy.name}`,
      command: envoyPath(),
      args: '-c envoy.yaml --disable-hot-restart --concurrency 1 --drain-time-s 10 --log-level warning'.split(' '),
      cwd: proxy.directory,
    })
  }

  /** Ends every process of this world. */
  async stop(): Promise<void> {
    const children = [...this.clusters.values()].flatMap((cluster) => [
      ...[...cluster.proxies.values()].map((proxy) => proxy.envoy),
      cluster.agent,
    ])
    await Promise.all([...children, this.plane].map(async (child) => child?.stop()))
  }

  /** What the command line runs with: a user configuration of this world's own. */
  userEnvironment(): Record<string, string> {
    const { certificate, kubeconfig } = this.#options
    return {
      XDG_CONFIG_HOME: join(this.directory, 'config'),
      ATOLL_MESH: this.mesh,
      NO_COLOR: '1',
      ...(certificate && { NODE_EXTRA_CA_CERTS: certificate.file }),
      ...(kubeconfig !== undefined && { KUBECONFIG: kubeconfig }),
    }
  }
}
