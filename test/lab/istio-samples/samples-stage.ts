import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ingressGateway, istioNamespace } from '#mesh/kubernetes/installed-gateways.ts'
import { eventually } from '#test/harness/child.ts'
import { writeOwnCertificate } from '#test/harness/server-certificate.ts'
import type { LabCluster } from '../harness/cluster.ts'
import { Lab } from '../harness/lab.ts'
import { LabMesh } from '../mesh/lab-mesh.ts'
import { OutsideServers, outsideNames } from './outside.ts'

/** Where each cluster is, as Istio's locality tasks have theirs. */
export const localities = {
  east: 'region1.zone1',
  west: 'region1.zone2',
  north: 'region2.zone3',
  south: 'region3.zone4',
} as const

/** Four clusters on four networks in one mesh, with Istio's gateways in the first one, and something outside. */
export class SamplesStage {
  readonly folder: string
  readonly lab: Lab
  readonly mesh: LabMesh
  readonly #outside: OutsideServers

  private constructor(folder: string, lab: Lab, mesh: LabMesh, outside: OutsideServers) {
    this.folder = folder
    this.lab = lab
    this.mesh = mesh
    this.#outside = outside
  }

  static async start(): Promise<SamplesStage> {
    const folder = await mkdtemp(join(tmpdir(), 'atoll-lab-samples-'))
    const certificate = await writeOwnCertificate(folder, 'outside', ...outsideNames.map(toDnsName))
    const outside = { names: outsideNames, authorities: certificate.file }
    const lab = await Lab.up({ name: 'samples', clusters: 4, network: 'split', outside })
    const servers = await OutsideServers.start(lab.hostAddress, certificate)
    const mesh = await LabMesh.start(lab)
    const stage = new SamplesStage(folder, lab, mesh, servers)
    await Promise.all(
      Object.entries(localities).map(async ([name, locality]) => {
        const [region, zone] = locality.split('.')
        const cluster = lab.cluster(name)
        const labels = [`topology.kubernetes.io/region=${region}`, `topology.kubernetes.io/zone=${zone}`]
        await cluster.kubectl(['label', 'node', '--all', '--overwrite', ...labels])
        const gateways = name === 'east' ? ['--ingress-gateway', '--egress-gateway-namespace', istioNamespace] : []
        await mesh.join(name, '--replicas', '1', ...gateways)
      }),
    )
    return stage
  }

  get east(): LabCluster {
    return this.lab.cluster('east')
  }

  async stop(): Promise<void> {
    this.#outside.stop()
    await this.lab.down()
    await rm(this.folder, { recursive: true, force: true })
  }

  /** As users do. */
  async apply(cluster: LabCluster, namespace: string, yaml: string, ...options: readonly string[]): Promise<void> {
    await cluster.kubectl(['apply', '-n', namespace, '-f', '-', ...options], { input: yaml })
  }

  async remove(cluster: LabCluster, namespace: string, yaml: string): Promise<void> {
    await cluster.kubectl(['delete', '-n', namespace, '--ignore-not-found', '-f', '-'], { input: yaml })
  }

  /** For the whole mesh. */
  async applyToMesh(namespace: string, yaml: string): Promise<void> {
    const file = join(this.folder, 'mesh.yaml')
    await writeFile(file, yaml)
    await this.mesh.world.atoll(['apply', '--wait', '--namespace', namespace, '-f', file])
  }

  async createNamespace(cluster: LabCluster, name: string): Promise<void> {
    await cluster.kubectl(['create', 'namespace', name])
    await cluster.kubectl(['label', 'namespace', name, 'istio-injection=enabled'])
  }

  async untilReady(cluster: LabCluster, namespace: string): Promise<void> {
    await cluster.kubectl(['rollout', 'status', 'deployment', '-n', namespace, '--timeout=90s'])
  }

  addressOf(namespace: string, service: string): Promise<string> {
    return eventually('the load balancer has an address', async () => {
      const path = 'jsonpath={.status.loadBalancer.ingress[0].ip}'
      return (await this.east.kubectl(['get', 'service', service, '-n', namespace, '-o', path])).stdout
    })
  }

  ingressAddress(): Promise<string> {
    return this.addressOf(ingressGateway.namespace, ingressGateway.name)
  }
}

const toDnsName = (value: string) => ({ type: 'dns', value }) as const
