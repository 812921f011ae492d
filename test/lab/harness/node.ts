import { connect } from 'node:net'
import { Resolver } from 'node:dns/promises'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { inNamespace, ip, listNamespaces } from './ip.ts'
import { identifyProcess, killProcesses, LabProcess } from './lab-process.ts'
import type { ClusterParts } from './api-server.ts'
import type { NodePlan } from './lab-plan.ts'

/** A node of a cluster: labnode and kube-proxy in a network namespace, with the cluster's name server beside them on the first one. */
export class LabNode {
  readonly plan: NodePlan
  readonly #parts: ClusterParts
  readonly #kubeconfig: string
  #processes: readonly LabProcess[] = []

  constructor(plan: NodePlan, parts: ClusterParts, kubeconfig: string) {
    this.plan = plan
    this.#parts = parts
    this.#kubeconfig = kubeconfig
  }

  /** Starts the node, and waits until ClusterIPs lead somewhere. */
  async start(): Promise<void> {
    await ip(['link', 'set', this.plan.link, 'up'])
    const [labnode, kubeProxy] = [this.#startLabnode(), await this.#startKubeProxy()]
    this.#processes = [labnode, kubeProxy]
    await kubeProxy.until('a ClusterIP is reached', () => canConnect(this.#parts.plan.apiServiceAddress, 443))
  }

  /** Switches the node off: its processes and those of its pods are gone at once, and neither the API server nor any peer is told. */
  async stop(): Promise<void> {
    // First: the end of a process closes its connections, which others would see.
    await ip(['link', 'set', this.plan.link, 'down'])
    await Promise.all(this.#processes.map((process) => process.kill()))
    await removeNamespaces(`${this.plan.namespace}-`)
  }

  /** Starts the cluster's name server, and waits until it knows the API server's Service. */
  async startDns(): Promise<void> {
    const { directory, lab, plan, programs, outsideNames } = this.#parts
    const { namespace, podGateway } = this.plan
    const outside = outsideNames.length > 0 ? [`${lab.hostAddress} ${outsideNames.join(' ')}`] : []
    const corefile = join(directory, 'Corefile')
    await writeFile(
      corefile,
      `.:53 {
  bind ${podGateway}
  errors
  cache 2
  hosts ${join(directory, 'no-hosts')} {
    ${[...outside, 'fallthrough'].join('\n    ')}
  }
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${this.#kubeconfig} ${plan.name}
    pods insecure
    ttl 2
  }
}
`,
    )
    const coredns = LabProcess.start(directory, {
      name: 'coredns',
      namespace,
      command: programs.coredns,
      args: ['-conf', corefile],
    })
    const resolver = new Resolver({ timeout: 500, tries: 1 })
    resolver.setServers([podGateway])
    await coredns.until('names are resolved', async () => {
      const addresses = await resolver.resolve4('kubernetes.default.svc.cluster.local')
      return addresses.includes(plan.apiServiceAddress)
    })
  }

  #startLabnode(): LabProcess {
    const { directory, plan, programs, imagesFile } = this.#parts
    const { name, suffix, namespace, address, podCidr, zone } = this.plan
    const [first] = plan.nodes
    return LabProcess.start(directory, {
      name: `labnode${suffix}`,
      namespace,
      command: programs.labnode,
      args: [
        `-kubeconfig=${this.#kubeconfig}`,
        `-node=${name}`,
        `-first=${this.plan === first}`,
        `-address=${address}`,
        `-pod-cidr=${podCidr}`,
        `-load-balancer-cidr=${plan.loadBalancerCidr}`,
        `-dns=${first.podGateway}`,
        `-directory=${join(directory, `node${suffix}`)}`,
        `-prefix=${namespace}`,
        `-images=${imagesFile}`,
        `-labels=${JSON.stringify({
          'topology.kubernetes.io/region': plan.name,
          'topology.kubernetes.io/zone': zone,
        })}`,
      ],
    })
  }

  async #startKubeProxy(): Promise<LabProcess> {
    const { directory, plan, programs } = this.#parts
    const { name, suffix, namespace, address } = this.plan
    const config = join(directory, `kube-proxy${suffix}.yaml`)
    await writeFile(
      config,
      stringify({
        apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
        kind: 'KubeProxyConfiguration',
        mode: 'nftables',
        nftables: { minSyncPeriod: '100ms' },
        clusterCIDR: plan.podCidr,
        bindAddress: address,
        healthzBindAddress: `${address}:10256`,
        metricsBindAddress: `${address}:10249`,
        conntrack: { maxPerCore: 0, min: 0 },
        clientConnection: { kubeconfig: this.#kubeconfig },
        hostnameOverride: name,
      }),
    )
    return LabProcess.start(directory, {
      name: `kube-proxy${suffix}`,
      namespace,
      command: programs.kubeProxy,
      args: ['--config', config],
    })
  }

  /** Runs a program in the node's network. */
  run(command: readonly string[], input?: string): Promise<string> {
    return inNamespace(this.plan.namespace, command, input)
  }
}

/** Ends what runs in the network namespaces whose names begin so, and removes them. */
export const removeNamespaces = async (prefix: string): Promise<void> => {
  const namespaces = await listNamespaces(prefix)
  const pids = await Promise.all(namespaces.map((namespace) => ip(['netns', 'pids', namespace])))
  await killProcesses(
    pids.flatMap((list) => list.split('\n').flatMap((pid) => identifyProcess(Number(pid || Number.NaN)) ?? [])),
  )
  await Promise.all(namespaces.map((namespace) => ip(['netns', 'del', namespace])))
}

const canConnect = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1000 })
    const answer = (reached: boolean) => () => {
      socket.destroy()
      resolve(reached)
    }
    socket.on('connect', answer(true)).on('error', answer(false)).on('timeout', answer(false))
  })
