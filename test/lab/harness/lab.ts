import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { prepareAgentImage, unpackAgentImage } from './agent-image.ts'
import { LabCluster } from './cluster.ts'
import { compactEtcd, startEtcd } from './etcd.ts'
import { standardImages, withAuthorities } from './images.ts'
import type { LabImage } from './lab-image.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { planLab, type LabPlan, type LabShape } from './lab-plan.ts'
import { identifyProcess } from './lab-process.ts'
import { raiseInotifyLimit } from './inotify-limit.ts'
import { labDirectory, readLabState, writeLabRecord } from './lab-record.ts'
import { claimSlot, connectHost } from './node-network.ts'
import { preparePrograms } from './programs.ts'
import { removeLab } from './remove-lab.ts'

export interface LabOptions extends LabShape {
  /** Added to the standard images, or instead of them. */
  readonly images?: Readonly<Record<string, LabImage>>
  /** What is outside of all clusters. */
  readonly outside?: Outside
  /** The lab stays up when this process ends. Otherwise the next lab of its name removes what a crash left. */
  readonly isKept?: boolean
  /** Hears what takes long. */
  readonly tell?: (line: string) => void
}

interface Outside {
  /** Pods find them on this machine, at `lab.hostAddress`. */
  readonly names: readonly string[]
  /** PEM file of the authority that every image believes. */
  readonly authorities: string
}

/** Kubernetes clusters on this machine: real API servers, with pods as processes in network namespaces. */
export class Lab {
  readonly plan: LabPlan
  readonly clusters: readonly LabCluster[]
  /** Path of a kubeconfig with one context for each cluster, named after it. */
  readonly kubeconfig: string

  private constructor(plan: LabPlan, clusters: readonly LabCluster[], kubeconfig: string) {
    this.plan = plan
    this.clusters = clusters
    this.kubeconfig = kubeconfig
  }

  /** Brings a lab up; throws when another one of this name is in use. */
  static async up(options: LabOptions): Promise<Lab> {
    const { name, images, outside, isKept = false, tell = () => {} } = options
    const owner = identifyProcess(process.pid)
    refuseInUse(name, process.pid)
    const programs = await preparePrograms(tell)
    await prepareAgentImage(tell)
    await raiseInotifyLimit(tell)
    await removeLab(name)
    const plan = planLab(options, await claimSlot())
    writeLabRecord(name, { slot: plan.slot, owner })
    try {
      const directory = labDirectory(name)
      const imagesFile = join(directory, 'images.json')
      const agentFiles = join(directory, 'agent-image')
      const allImages = { ...standardImages(agentFiles), ...images }
      const table = outside === undefined ? allImages : withAuthorities(allImages, outside.authorities)
      await Promise.all([
        connectHost(plan),
        startEtcd(directory, plan, programs),
        unpackAgentImage(agentFiles),
        writeFile(imagesFile, JSON.stringify(table, undefined, 2)),
      ])
      const parts = { directory, lab: plan, programs, imagesFile, outsideNames: outside?.names ?? [] }
      const clusters = await Promise.all(
        plan.clusters.map(async (each) => {
          const cluster = await LabCluster.start(parts, each)
          tell(`${cluster.name} is up`)
          return cluster
        }),
      )
      const kubeconfig = join(directory, 'kubeconfig')
      await writeKubeconfig(
        kubeconfig,
        clusters.map((cluster) => cluster.access),
      )
      if (isKept) writeLabRecord(name, { slot: plan.slot })
      return new Lab(plan, clusters, kubeconfig)
    } catch (error) {
      await removeLab(name)
      throw error
    }
  }

  cluster(name: string): LabCluster {
    const found = this.clusters.find((cluster) => cluster.name === name)
    if (found === undefined) throw new Error(`the lab ${this.plan.name} has no cluster ${name}`)
    return found
  }

  /** This machine, as pods reach it. */
  get hostAddress(): string {
    return this.plan.hostAddress
  }

  /** Compacts etcd, which all clusters share. */
  compact(): Promise<void> {
    return compactEtcd(this.plan)
  }

  /** Removes everything. */
  down(): Promise<void> {
    return removeLab(this.plan.name)
  }
}

const refuseInUse = (name: string, self: number): void => {
  const state = readLabState(name)
  if (state.is === 'up')
    throw new Error(
      `there is a lab ${name} already: "npm run lab -- show --name ${name}" tells about it, and "npm run lab -- down --name ${name}" removes it`,
    )
  if (state.is === 'used' && state.by !== self)
    throw new Error(`there is a lab ${name} already, and process ${state.by} uses it`)
}
