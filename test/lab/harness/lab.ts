import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LabCluster } from './cluster.ts'
import { startEtcd } from './etcd.ts'
import { standardImages, type LabImage } from './images.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { planLab, type LabPlan, type LabShape } from './lab-plan.ts'
import { identifyProcess } from './lab-process.ts'
import { describeUser, labDirectory, writeLabRecord } from './lab-record.ts'
import { claimSlot, connectHost } from './node-network.ts'
import { preparePrograms } from './programs.ts'
import { removeLab } from './remove-lab.ts'

export interface LabOptions extends LabShape {
  /** Added to the standard images, or instead of them. */
  readonly images?: Readonly<Record<string, LabImage>>
  /** The lab stays up when this process ends. Otherwise the next lab of its name removes what a crash left. */
  readonly isKept?: boolean
  /** Hears what takes long. */
  readonly tell?: (line: string) => void
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
    const { name, images, isKept = false, tell = () => {} } = options
    const programs = await preparePrograms(tell)
    const self = identifyProcess(process.pid)
    const user = describeUser(name, self)
    if (user !== undefined) throw new Error(`there is a lab ${name} already, and ${user}`)
    await removeLab(name)
    const plan = planLab(options, await claimSlot())
    writeLabRecord(name, { slot: plan.slot, ...(isKept ? {} : { owner: self }) })
    try {
      const directory = labDirectory(name)
      const imagesFile = join(directory, 'images.json')
      await Promise.all([
        connectHost(plan),
        startEtcd(directory, plan, programs),
        writeFile(imagesFile, JSON.stringify({ ...standardImages(), ...images }, undefined, 2)),
      ])
      const clusters = await Promise.all(
        plan.clusters.map((cluster) => LabCluster.start(directory, plan, cluster, programs, imagesFile)),
      )
      const kubeconfig = join(directory, 'kubeconfig')
      await writeKubeconfig(
        kubeconfig,
        clusters.map((cluster) => cluster.access),
      )
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

  /** Removes everything. */
  down(): Promise<void> {
    return removeLab(this.plan.name)
  }
}
