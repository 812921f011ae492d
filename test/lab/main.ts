import { parseArgs } from 'node:util'
import { toErrorMessage } from '#mesh/error-message.ts'
import { findLabObstacle } from '../../scripts/lab-obstacle.mjs'
import { Lab } from './harness/lab.ts'
import type { LabNetwork } from './harness/lab-plan.ts'
import { labDirectory, listLabs } from './harness/lab-record.ts'
import { LabMesh } from './mesh/lab-mesh.ts'
import { preparePrograms } from './harness/programs.ts'
import { removeLab } from './harness/remove-lab.ts'

const usage = `npm run lab [-- up|down|list|build] [--name lab] [--clusters 2] [--network split|flat] [--no-mesh]

Kubernetes clusters on this machine, with real API servers and pods in network namespaces. docs/lab.md tells more.
  up     bring a lab up with a mesh of its clusters and a local plane, and leave it up (this is the default)
  down   remove all of it, also what a crash left
  list   the labs that there are
  build  build the programs only
`

const write = (line: string): void => void process.stdout.write(`${line}\n`)

const seconds = (sinceMs: number): string => `${((Date.now() - sinceMs) / 1000).toFixed(1)} s`

const up = async (name: string, clusters: number, network: LabNetwork, hasMesh: boolean): Promise<void> => {
  const obstacle = findLabObstacle()
  if (obstacle !== undefined) throw new Error(`the lab cannot run here: ${obstacle}`)
  await preparePrograms(write)
  const startMs = Date.now()
  const lab = await Lab.up({ name, clusters, network, isKept: true })
  write(`${lab.clusters.length} clusters are up after ${seconds(startMs)}, in ${labDirectory(name)}\n`)
  for (const { name: cluster, url, plan, kubeconfig } of lab.clusters)
    write(
      `${cluster}  ${url}\n  network  ${plan.network}, pods ${plan.podCidr}, Services ${plan.serviceCidr}\n  export KUBECONFIG=${kubeconfig}\n`,
    )
  write(`all   export KUBECONFIG=${lab.kubeconfig}   # contexts ${lab.clusters.map((one) => one.name).join(', ')}`)
  write(`pods reach this machine at ${lab.hostAddress}; npm run lab -- down --name ${name}`)
  if (hasMesh) await joinClusters(lab)
}

const joinClusters = async (lab: Lab): Promise<void> => {
  const startMs = Date.now()
  const mesh = await LabMesh.start(lab)
  const { world } = mesh
  await Promise.all(lab.clusters.map((cluster) => mesh.join(cluster.name)))
  write(`\nall clusters are in a mesh after ${seconds(startMs)}; the plane is ${world.url}`)
  const variables = Object.entries(world.userEnvironment()).map(([variable, value]) => `${variable}=${value}`)
  write(`  export ${variables.join(' ')}\n  npx atoll proxies`)
}

const down = async (name: string): Promise<void> => {
  if (!listLabs().includes(name))
    throw new Error(`there is no lab ${name}; there are: ${listLabs().join(', ') || 'none'}`)
  const startMs = Date.now()
  await removeLab(name)
  write(`${name} is gone after ${seconds(startMs)}`)
}

const main = async (): Promise<void> => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    allowNegative: true,
    options: {
      name: { type: 'string', default: 'lab' },
      clusters: { type: 'string', default: '2' },
      network: { type: 'string', default: 'split' },
      mesh: { type: 'boolean', default: true },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const { name, network } = values
  if (values.help) return write(usage)
  if (network !== 'flat' && network !== 'split') throw new Error(`--network is split or flat, not ${network}`)
  switch (positionals[0] ?? 'up') {
    case 'up':
      return up(name, Number(values.clusters), network, values.mesh)
    case 'down':
      return down(name)
    case 'list':
      return write(listLabs().join('\n'))
    case 'build':
      return void (await preparePrograms(write))
    default:
      throw new Error(`${positionals[0]}?\n\n${usage}`)
  }
}

try {
  await main()
  process.exit(0)
} catch (error) {
  process.stderr.write(`${toErrorMessage(error)}\n`)
  process.exit(1)
}
