import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AnnotationReader } from '#mesh/injection/annotation-reader.ts'
import { buildCaptureScript } from '#mesh/injection/capture-rules.ts'
import { readCaptureSettings } from '#mesh/injection/capture-settings.ts'
import { proxyUser } from '#mesh/kubernetes/conventions.ts'
import type { ProxyPlace } from '#test/envoy/compile/stage.ts'
import { Child } from '#test/harness/child.ts'
import { removeNamespaces } from '../harness/node.ts'
import { claimNamespacePrefix, shell } from '../network-namespaces.ts'
import { Puppeteer } from './puppeteer.ts'

/** The address of everything that is no pod, and a second one. */
export const outside = { address: '10.78.0.1', other: '198.51.100.1' }
const agentPort = 15_010

/** A pod, or the world outside: a network namespace with an application that also is a client. */
export class Pod extends Puppeteer {
  readonly namespace: string
  readonly #puppet: Child

  constructor(namespace: string, name: string, directory: string) {
    const socketPath = join(directory, `${name}.sock`)
    super({ socketPath })
    this.namespace = namespace
    this.#puppet = new Child({
      name,
      command: 'ip',
      args: [
        ...inside(namespace),
        process.execPath,
        join(import.meta.dirname, 'puppet.ts'),
        socketPath,
        name,
        directory,
      ],
    })
  }

  async untilReady(): Promise<void> {
    await this.#puppet.waitForLine(/^ready$/)
  }

  async stop(): Promise<void> {
    await this.#puppet.stop()
  }
}

/** Pods with captured traffic on one bridge, and a world outside that is their way to everywhere. Needs root. */
export class PodNetwork {
  readonly outside: Pod
  readonly #prefix: string
  readonly #directory: string
  readonly #pods = new Map<string, Pod>()
  #relay: Child | undefined
  #agentSocket: Server | undefined

  private constructor(prefix: string, directory: string) {
    this.#prefix = prefix
    this.#directory = directory
    this.outside = new Pod(toOutside(prefix), 'outside', directory)
  }

  /** `addresses`: of the pods, by name. */
  static async create(addresses: Readonly<Record<string, string>>): Promise<PodNetwork> {
    const prefix = await claimNamespacePrefix()
    const directory = await mkdtemp(join(tmpdir(), 'atoll-capture-'))
    try {
      await addOutside(toOutside(prefix))
      const network = new PodNetwork(prefix, directory)
      for (const [pod, address] of Object.entries(addresses)) await network.#addPod(pod, address)
      await Promise.all([network.outside, ...network.#pods.values()].map((pod) => pod.untilReady()))
      return network
    } catch (error) {
      await remove(prefix, directory)
      throw error
    }
  }

  pod(name: string): Pod {
    const pod = this.#pods.get(name)
    if (!pod) throw new Error(`there is no pod ${name}`)
    return pod
  }

  /** Where the proxy of a pod runs. */
  place(name: string): ProxyPlace {
    const user = String(proxyUser)
    return {
      enter: [
        'ip',
        ...inside(this.pod(name).namespace),
        'setpriv',
        `--reuid=${user}`,
        `--regid=${user}`,
        '--clear-groups',
      ],
      user: proxyUser,
    }
  }

  /** Makes a port of this machine's loopback an agent's that pods can reach; gives its address for them. */
  async exposeAgent(port: number): Promise<{ readonly host: string; readonly port: number }> {
    const path = join(this.#directory, 'agent.sock')
    this.#agentSocket = createServer((socket) => pipeBoth(socket, connect({ host: '127.0.0.1', port })))
    await new Promise<void>((resolve) => this.#agentSocket?.listen(path, resolve))
    this.#relay = new Child({
      name: 'relay',
      command: 'ip',
      args: [
        ...inside(this.outside.namespace),
        process.execPath,
        join(import.meta.dirname, 'relay.ts'),
        String(agentPort),
        path,
      ],
    })
    await this.#relay.waitForLine(/^ready$/)
    return { host: outside.address, port: agentPort }
  }

  async remove(): Promise<void> {
    await Promise.all([this.outside, ...this.#pods.values()].map((pod) => pod.stop()))
    await this.#relay?.stop()
    this.#agentSocket?.close()
    await remove(this.#prefix, this.#directory)
  }

  async #addPod(name: string, address: string): Promise<void> {
    const namespace = `${this.#prefix}${name}`
    const world = this.outside.namespace
    const port = `pod${this.#pods.size}`
    await shell(`
      ip netns add ${namespace}
      ip -n ${namespace} link set lo up
      ip -n ${namespace} link add eth0 type veth peer name ${port} netns ${world}
      ip -n ${world} link set ${port} master bridge0 up
      ip -n ${namespace} addr add ${address}/24 dev eth0
      ip -n ${namespace} link set eth0 up
      ip -n ${namespace} route add default via ${outside.address}`)
    const script = buildCaptureScript(readCaptureSettings(new AnnotationReader({})))
    await shell(script, ['ip', ...inside(namespace)])
    this.#pods.set(name, new Pod(namespace, name, this.#directory))
  }
}

const toOutside = (prefix: string): string => `${prefix}outside`

const addOutside = (namespace: string): Promise<void> =>
  shell(`
    ip netns add ${namespace}
    ip -n ${namespace} link set lo up
    ip -n ${namespace} link add bridge0 address 02:00:00:00:00:01 type bridge
    ip -n ${namespace} addr add ${outside.address}/24 dev bridge0
    ip -n ${namespace} addr add ${outside.other}/32 dev bridge0
    ip -n ${namespace} link set bridge0 up`)

/** Ends what still runs there. */
const remove = async (prefix: string, directory: string): Promise<void> => {
  await removeNamespaces(prefix)
  await rm(directory, { recursive: true, force: true })
}

const inside = (namespace: string): string[] => ['netns', 'exec', namespace]

const pipeBoth = (left: Socket, right: Socket): void => {
  left.pipe(right).pipe(left)
  left.on('error', () => right.destroy())
  right.on('error', () => left.destroy())
}
