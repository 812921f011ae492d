import { connect } from 'node:net'
import { Resolver } from 'node:dns/promises'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { ip, listNamespaces } from './ip.ts'
import { identifyProcess, killProcesses, LabProcess } from './lab-process.ts'
import type { ClusterParts } from './api-server.ts'

/** The one node of a cluster: labnode and kube-proxy in a network namespace, with the cluster's name server beside them. */
export class LabNode {
  readonly #parts: ClusterParts
  readonly #kubeconfig: string
  readonly #imagesFile: string
  #processes: readonly LabProcess[] = []

  constructor(parts: ClusterParts, kubeconfig: string, imagesFile: string) {
    this.#parts = parts
    this.#kubeconfig = kubeconfig
    this.#imagesFile = imagesFile
  }

  /** Starts the node, and waits until ClusterIPs lead somewhere. */
  async start(): Promise<void> {
    const [labnode, kubeProxy] = [this.#startLabnode(), await this.#startKubeProxy()]
    this.#processes = [labnode, kubeProxy]
    await kubeProxy.until('a ClusterIP is reached', () => canConnect(this.#parts.plan.apiServiceAddress, 443))
  }

  /** Switches the node off: its processes and those of its pods are gone at once, and nobody tells the API server. */
  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.kill()))
    await removeNamespaces(`${this.#parts.plan.namespace}-`)
  }

  /** Starts the cluster's name server, and waits until it knows the API server's Service. */
  async startDns(): Promise<void> {
    const { directory, plan, programs } = this.#parts
    const corefile = join(directory, 'Corefile')
    await writeFile(
      corefile,
      `.:53 {
  bind ${plan.podGateway}
  errors
  cache 2
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
      namespace: plan.namespace,
      command: programs.coredns,
      args: ['-conf', corefile],
    })
    const resolver = new Resolver({ timeout: 500, tries: 1 })
    resolver.setServers([plan.podGateway])
    await coredns.until('names are resolved', async () => {
      const addresses = await resolver.resolve4('kubernetes.default.svc.cluster.local')
      return addresses.includes(plan.apiServiceAddress)
    })
  }

  #startLabnode(): LabProcess {
    const { directory, plan, programs } = this.#parts
    return LabProcess.start(directory, {
      name: 'labnode',
      namespace: plan.namespace,
      command: programs.labnode,
      args: [
        `-kubeconfig=${this.#kubeconfig}`,
        `-node=${plan.node}`,
        `-address=${plan.nodeAddress}`,
        `-pod-cidr=${plan.podCidr}`,
        `-load-balancer-cidr=${plan.loadBalancerCidr}`,
        `-dns=${plan.podGateway}`,
        `-directory=${join(directory, 'node')}`,
        `-prefix=${plan.namespace}`,
        `-images=${this.#imagesFile}`,
        `-labels=${JSON.stringify({
          'topology.kubernetes.io/region': plan.name,
          'topology.kubernetes.io/zone': `${plan.name}-a`,
        })}`,
      ],
    })
  }

  async #startKubeProxy(): Promise<LabProcess> {
    const { directory, plan, programs } = this.#parts
    const config = join(directory, 'kube-proxy.yaml')
    await writeFile(
      config,
      stringify({
        apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
        kind: 'KubeProxyConfiguration',
        mode: 'nftables',
        nftables: { minSyncPeriod: '100ms' },
        clusterCIDR: plan.podCidr,
        bindAddress: plan.nodeAddress,
        healthzBindAddress: `${plan.nodeAddress}:10256`,
        metricsBindAddress: `${plan.nodeAddress}:10249`,
        conntrack: { maxPerCore: 0, min: 0 },
        clientConnection: { kubeconfig: this.#kubeconfig },
        hostnameOverride: plan.node,
      }),
    )
    return LabProcess.start(directory, {
      name: 'kube-proxy',
      namespace: plan.namespace,
      command: programs.kubeProxy,
      args: ['--config', config],
    })
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
