import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { eventually } from '#test/harness/child.ts'
import { requestJson, requestStatus, startApiServer, startControllerManager, type ClusterParts } from './api-server.ts'
import { runKubectl, type CommandResult, type KubectlOptions } from './kubectl.ts'
import { serverUrl, writeKubeconfig } from './kubeconfig.ts'
import type { ClusterPlan } from './lab-plan.ts'
import type { LabProcess } from './lab-process.ts'
import { connectNodes } from './node-network.ts'
import { LabNode } from './node.ts'
import { createPki } from './pki.ts'

const podList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), deletionTimestamp: z.string().optional() }),
      status: z.object({
        podIP: z.string().optional(),
        conditions: z.array(z.object({ type: z.string(), status: z.string() })).optional(),
      }),
    }),
  ),
})

export interface LabPod {
  readonly name: string
  readonly address: string
}

/** One cluster of a lab. */
export class LabCluster {
  readonly plan: ClusterPlan
  /** Path of its admin's kubeconfig; the context is named after the cluster. */
  readonly kubeconfig: string
  readonly nodes: readonly LabNode[]
  readonly #parts: ClusterParts
  #apiServer: LabProcess | undefined

  private constructor(parts: ClusterParts, kubeconfig: string) {
    this.plan = parts.plan
    this.kubeconfig = kubeconfig
    this.nodes = parts.plan.nodes.map((node) => new LabNode(node, parts, kubeconfig))
    this.#parts = parts
  }

  /** `ofLab`: what its clusters have in common; the directory is the lab's. */
  static async start(ofLab: Omit<ClusterParts, 'plan' | 'pki'>, plan: ClusterPlan): Promise<LabCluster> {
    const { lab } = ofLab
    const directory = join(ofLab.directory, plan.name)
    await mkdir(directory, { recursive: true })
    const [pki] = await Promise.all([createPki(join(directory, 'pki'), plan), connectNodes(lab, plan)])
    const kubeconfig = join(directory, 'kubeconfig')
    await writeKubeconfig(kubeconfig, [{ cluster: plan, ca: pki.ca, user: pki.admin }])
    const parts = { ...ofLab, directory, plan, pki }
    const cluster = new LabCluster(parts, kubeconfig)
    await cluster.startApiServer()
    await Promise.all([
      startControllerManager(parts),
      cluster.node.startDns(),
      ...cluster.nodes.map((node) => node.start()),
    ])
    return cluster
  }

  /** The first of its nodes. */
  get node(): LabNode {
    return this.nodes[0] as LabNode
  }

  get name(): string {
    return this.plan.name
  }

  get url(): string {
    return serverUrl(this.plan)
  }

  /** @internal what the lab's common kubeconfig is made of */
  get access() {
    return { cluster: this.plan, ca: this.#parts.pki.ca, user: this.#parts.pki.admin }
  }

  /** Throws with what kubectl printed when it fails, unless `allowFailure`. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<CommandResult> {
    return runKubectl(this.#parts.programs.kubectl, this.kubeconfig, args, options)
  }

  async apply(yaml: string): Promise<void> {
    await this.kubectl(['apply', '-f', '-'], { input: yaml })
  }

  /** Runs a program in a container; the exit code is the caller's to judge. */
  exec(namespace: string, pod: string, container: string, command: readonly string[]): Promise<CommandResult> {
    return this.kubectl(['exec', '-n', namespace, pod, '-c', container, '--', ...command], { allowFailure: true })
  }

  /** Waits until this many pods match, and all that match and are not being deleted are ready. */
  waitForPods(namespace: string, selector: string, count = 1, timeoutMilliseconds = 60_000): Promise<LabPod[]> {
    const findReady = async () => {
      const { stdout } = await this.kubectl(['get', 'pods', '-n', namespace, '-l', selector, '-o', 'json'])
      const pods = podList
        .parse(JSON.parse(stdout))
        .items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
      const ready = pods.flatMap(({ metadata, status }) =>
        status.podIP !== undefined &&
        status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True')
          ? [{ name: metadata.name, address: status.podIP }]
          : [],
      )
      return ready.length === pods.length && ready.length >= count && ready
    }
    const what = `${count} ready pods of ${selector} in ${namespace} of ${this.name}`
    return eventually(what, findReady, timeoutMilliseconds)
  }

  /** Kills the API server. */
  async stopApiServer(): Promise<void> {
    await this.#apiServer?.kill()
  }

  /** Starts the API server, and waits until it serves. */
  async startApiServer(): Promise<void> {
    this.#apiServer = await startApiServer(this.#parts)
  }

  /** HTTP status of a GET at the API server as admin; throws when it is not reached. */
  requestStatus(path: string): Promise<number | undefined> {
    return requestStatus(this.plan, this.#parts.pki, path)
  }

  /** What the API server has at a path: quicker than kubectl, for what is looked at again and again. */
  read(path: string): Promise<unknown> {
    return requestJson(this.plan, this.#parts.pki, path)
  }
}
