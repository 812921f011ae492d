import { fileURLToPath } from 'node:url'
import { Child, run } from '#test/harness/child.ts'
import { removeNamespaces } from '../harness/node.ts'
import { claimNamespacePrefix, shell } from '../network-namespaces.ts'

export const podAddress = { ipv4: '10.77.0.2', ipv6: 'fd77::2' }
export const peerAddress = { ipv4: '10.77.0.1', other: '10.88.0.1', ipv6: 'fd77::1', otherIpv6: 'fd88::1' }

const echo = fileURLToPath(new URL('./connection-echo.mjs', import.meta.url))

/** Two network namespaces with a cable between them: a pod, whose way to everywhere leads to its peer. */
export class PodAndPeer {
  readonly pod: string
  readonly peer: string
  readonly #prefix: string
  readonly #listeners: Child[] = []

  private constructor(prefix: string) {
    this.#prefix = prefix
    this.pod = `${prefix}pod`
    this.peer = `${prefix}peer`
  }

  /** `ipv6: false`: the pod has no such address. */
  static async create(options: { readonly ipv6: boolean }): Promise<PodAndPeer> {
    const pair = new PodAndPeer(await claimNamespacePrefix())
    try {
      await pair.#connect(options.ipv6)
      return pair
    } catch (error) {
      await pair.remove()
      throw error
    }
  }

  async #connect(withIpv6: boolean): Promise<void> {
    const { pod, peer } = this
    await shell(`
      ip netns add ${pod}
      ip netns add ${peer}
      ip -n ${pod} link set lo up
      ip -n ${peer} link set lo up
      ip -n ${pod} link add eth0 type veth peer name eth0 netns ${peer}
      ${withIpv6 ? '' : `ip netns exec ${pod} sysctl -qw net.ipv6.conf.all.disable_ipv6=1`}
      ip -n ${pod} addr add ${podAddress.ipv4}/24 dev eth0
      ip -n ${peer} addr add ${peerAddress.ipv4}/24 dev eth0
      ip -n ${peer} addr add ${peerAddress.other}/32 dev eth0
      ip -n ${pod} link set eth0 up
      ip -n ${peer} link set eth0 up
      ip -n ${pod} route add default via ${peerAddress.ipv4}`)
    if (withIpv6)
      await shell(`
        ip -n ${pod} addr add ${podAddress.ipv6}/64 dev eth0 nodad
        ip -n ${peer} addr add ${peerAddress.ipv6}/64 dev eth0 nodad
        ip -n ${peer} addr add ${peerAddress.otherIpv6}/128 dev eth0 nodad
        ip -n ${pod} -6 route add default via ${peerAddress.ipv6}`)
  }

  async listen(where: 'pod' | 'peer', ports: readonly number[]): Promise<void> {
    await this.#start(this[where], ['listen', ports.join(',')])
  }

  /** A server in the pod that answers requests with these statuses, and prints them. */
  serveHttp(port: number, statuses: readonly number[]): Promise<Child> {
    return this.#start(this.pod, ['http', String(port), statuses.join(',')])
  }

  async #start(namespace: string, args: readonly string[]): Promise<Child> {
    const listener = new Child({
      name: `${args.join(' ')} in ${namespace}`,
      command: 'ip',
      args: ['netns', 'exec', namespace, process.execPath, echo, ...args],
    })
    this.#listeners.push(listener)
    await listener.waitForLine(/listening/)
    return listener
  }

  /** A command of a container. */
  async execute(command: readonly string[]): Promise<void> {
    const { code, output } = await run({
      name: 'command',
      command: 'ip',
      args: ['netns', 'exec', this.pod, ...command],
    })
    if (code !== 0) throw new Error(`${command.join(' ')}\nended with ${code}:\n${output}`)
  }

  /** As the init container does it. */
  capture(script: string): Promise<void> {
    return shell(script, ['ip', 'netns', 'exec', this.pod])
  }

  /** Port of the listener that a connection came to, or the error's code. */
  async connect(
    from: 'application' | 'proxy' | 'peer',
    [host, port, source]: readonly [host: string, port: number, source?: string],
  ): Promise<string> {
    const user = from === 'proxy' ? ['setpriv', '--reuid=1337', '--regid=1337', '--clear-groups'] : []
    const namespace = from === 'peer' ? this.peer : this.pod
    const target = [host, String(port), ...(source === undefined ? [] : [source])]
    const { stdout } = await run({
      name: `connection to ${host}:${port}`,
      command: 'ip',
      args: ['netns', 'exec', namespace, ...user, process.execPath, echo, 'connect', ...target],
    })
    return stdout
  }

  async rules(command: 'iptables' | 'ip6tables'): Promise<string> {
    const { stdout } = await run({
      name: 'rules',
      command: 'ip',
      args: ['netns', 'exec', this.pod, `${command}-save`, '-t', 'nat'],
    })
    return stdout
  }

  async remove(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.stop()))
    await removeNamespaces(this.#prefix)
  }
}
