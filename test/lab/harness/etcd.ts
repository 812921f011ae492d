import { join } from 'node:path'
import { LabProcess } from './lab-process.ts'
import type { LabPlan } from './lab-plan.ts'
import type { LabPrograms } from './programs.ts'

export const etcdUrl = (plan: LabPlan): string => `http://${plan.etcdAddress}:2379`

/** One etcd for all clusters of a lab: each has a prefix of its own. */
export const startEtcd = async (directory: string, plan: LabPlan, programs: LabPrograms): Promise<void> => {
  const [client, peer] = [etcdUrl(plan), `http://${plan.etcdAddress}:2380`]
  const etcd = LabProcess.start(directory, {
    name: 'etcd',
    command: programs.etcd,
    args: [
      '--name=lab',
      `--data-dir=${join(directory, 'etcd')}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=lab=${peer}`,
      '--unsafe-no-fsync',
      '--logger=zap',
    ],
  })
  await etcd.until('etcd is healthy', async () => (await fetch(`${client}/health`)).ok)
}
