import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { toErrorMessage } from '#mesh/error-message.ts'
import { findLabObstacle, rootObstacle } from '../../scripts/lab-obstacle.mjs'
import { prepareAgentImage } from './harness/agent-image.ts'
import { Lab } from './harness/lab.ts'
import type { LabShape } from './harness/lab-plan.ts'
import { labDirectory, listLabs, readLabState } from './harness/lab-record.ts'
import { preparePrograms } from './harness/programs.ts'
import { removeLab } from './harness/remove-lab.ts'
import { measureLab } from './measure/measure-lab.ts'
import { describeLab, toLabEnvironment } from './mesh/describe-lab.ts'
import { LabMesh } from './mesh/lab-mesh.ts'

const usage = `npm run lab [-- up|show|list|down|build|measure] [--name lab] [--clusters 2] [--network split|flat] [--no-mesh]

Kubernetes clusters on this machine, with real API servers and pods in network namespaces. docs/lab.md tells more.

  up       bring a lab up with a mesh of its clusters and a local plane, and leave it up (this is the default)
  show     tell again where its clusters and its plane are
  list     the labs that there are
  down     remove all of it, also what a crash left
  build    build the programs only
  measure  what an installation takes: time, memory, CPU; in a lab of its own, which is removed

  --name      what the lab is called, so that several stand side by side; default lab
  --clusters  1 to 4: east, west, north, south; default 2
  --network   split: each cluster has a network of its own, and gateways between them; flat: one for all; default split
  --no-mesh   the clusters only, to try "atoll cluster join" by hand
  --rounds, --pods, --services  of measure: how often what takes time is done, how many pods and Services there are; default 5, 10,100 and 1000

  npm run lab -- --clusters 3 --network flat
  npm run lab -- down
`

const write = (line: string): void => void process.stdout.write(`${line}\n`)

const up = async (shape: LabShape, hasMesh: boolean): Promise<void> => {
  const { name } = shape
  const obstacle = findLabObstacle()
  if (obstacle !== undefined) throw new Error(`the lab cannot run here: ${obstacle}`)
  await preparePrograms(write)
  await prepareAgentImage(write)
  const startMs = Date.now()
  const tell = (line: string): void => write(`${((Date.now() - startMs) / 1000).toFixed(1).padStart(5)} s  ${line}`)
  process.once('SIGINT', () => {
    write(
      `\ninterrupted; what there is goes with the next lab of this name, or with: npm run lab -- down --name ${name}`,
    )
    process.exit(130)
  })
  const lab = await Lab.up({ ...shape, isKept: true, tell })
  const mesh = hasMesh ? await joinClusters(lab, tell) : undefined
  const files = labDirectory(name)
  await writeFile(join(files, 'env'), await toLabEnvironment(lab, mesh))
  await writeFile(join(files, 'about'), describeLab(lab, mesh))
  await show(name)
}

const joinClusters = async (lab: Lab, tell: (line: string) => void): Promise<LabMesh> => {
  try {
    const mesh = await LabMesh.start(lab)
    tell(`the plane is up; ${lab.clusters.map(({ name }) => name).join(', ')} are joining`)
    await Promise.all(
      lab.clusters.map(async ({ name }) => {
        await mesh.join(name)
        tell(`${name} is in the mesh`)
      }),
    )
    return mesh
  } catch (error) {
    const { name } = lab.plan
    throw new Error(
      `${toErrorMessage(error)}\n\nThe clusters stay up: export KUBECONFIG=${lab.kubeconfig}; npm run lab -- down --name ${name}`,
      { cause: error },
    )
  }
}

const show = async (name: string): Promise<void> => {
  if (!listLabs().includes(name))
    throw new Error(`there is no lab ${name}; there are: ${listLabs().join(', ') || 'none'}`)
  const file = join(labDirectory(name), 'about')
  const about = await readFile(file, 'utf8').catch(() => `${name} ${toStateText(name)}\n`)
  write(`\n${about}`)
}

const toStateText = (name: string): string => {
  const state = readLabState(name)
  switch (state.is) {
    case 'up':
      return 'is up'
    case 'used':
      return `is used by process ${state.by}`
    case 'left':
      return `does not run, and was not taken down: npm run lab -- down --name ${name}`
  }
}

const list = (): void => {
  for (const name of listLabs()) write(`${name} ${toStateText(name)}`)
  if (listLabs().length === 0) write('there is no lab')
}

const down = async (name: string): Promise<void> => {
  if (!listLabs().includes(name)) return write(`there is no lab ${name}; there are: ${listLabs().join(', ') || 'none'}`)
  const obstacle = rootObstacle()
  if (obstacle !== undefined) throw new Error(`the lab cannot be taken down: ${obstacle}`)
  const startMs = Date.now()
  await removeLab(name)
  write(`${name} is gone after ${((Date.now() - startMs) / 1000).toFixed(1)} s`)
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
      rounds: { type: 'string', default: '5' },
      pods: { type: 'string', default: '10,100' },
      services: { type: 'string', default: '1000' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  const { name, clusters, network } = values
  const [action = 'up', ...rest] = positionals
  if (values.help || action === 'help') return write(usage)
  if (rest.length > 0) throw new Error(`${rest.join(' ')}?\n\n${usage}`)
  if (network !== 'flat' && network !== 'split') throw new Error(`--network is split or flat, not ${network}`)
  if (!/^[1234]$/.test(clusters)) throw new Error(`--clusters is 1 to 4, not ${clusters}`)
  switch (action) {
    case 'up':
      return up({ name, clusters: Number(clusters), network }, values.mesh)
    case 'show':
      return show(name)
    case 'list':
      return list()
    case 'down':
      return down(name)
    case 'measure':
      return measureLab(
        { rounds: Number(values.rounds), pods: values.pods.split(',').map(Number), services: Number(values.services) },
        write,
      )
    case 'build':
      await preparePrograms(write)
      return prepareAgentImage(write)
    default:
      throw new Error(`${action}?\n\n${usage}`)
  }
}

try {
  await main()
  process.exit(0)
} catch (error) {
  process.stderr.write(`${toErrorMessage(error)}\n`)
  process.exit(1)
}
