import { join } from 'node:path'
import { z } from 'zod'
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

const rangeAnswer = z.object({ header: z.object({ revision: z.string() }) })

/** Forgets all that was: whoever wants to go on from an older version of an object has to read everything anew. */
export const compactEtcd = async (plan: LabPlan): Promise<void> => {
  const { header } = rangeAnswer.parse(await callEtcd(plan, 'range', { key: 'AA==' }))
  await callEtcd(plan, 'compaction', { revision: header.revision, physical: true })
}

const callEtcd = async (plan: LabPlan, method: string, body: object): Promise<unknown> => {
  const response = await fetch(`${etcdUrl(plan)}/v3/kv/${method}`, { method: 'POST', body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`etcd: ${method}: ${response.status} ${await response.text()}`)
  return response.json()
}
