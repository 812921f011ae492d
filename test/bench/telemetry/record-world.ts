import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ApiClient } from '#api/client.ts'
import { eventually } from '#test/harness/child.ts'
import { World, type WorldCluster } from '#test/harness/world.ts'
import { agentPid, connectOptions, makeTokens, signIn } from '../bench-mesh.ts'
import { clientDocuments } from '../registry-files.ts'
import { EdgeFront } from './edge-front.ts'
import { RecordDriver } from './record-driver.ts'

const PROXIES = 20

/** An agent, as it is published, with so many sidecars that tell it of requests, and a plane behind a front. */
export interface RecordWorld {
  readonly client: ApiClient
  readonly front: EdgeFront
  readonly driver: RecordDriver
  readonly agentPid: number
  /** What the agent counts of log records. */
  readonly readCounts: () => Promise<AgentCounts>
  readonly stop: () => Promise<void>
}

export interface AgentCounts {
  readonly received: number
  readonly sent: number
  /** By reason; none that is 0. */
  readonly shed: Readonly<Record<string, number>>
  /** In memory and on disk. */
  readonly waiting: number
}

export const openRecordWorld = async (directory: string, spoolMebibytes: number): Promise<RecordWorld> => {
  const world = await World.create(directory)
  const client = await signIn(world)
  const front = await EdgeFront.start(world.url)
  const cluster = await world.join('east', 'flat')
  await world.writeRegistry(cluster, 'clients.yaml', clientDocuments(PROXIES))
  await changeSettings(cluster, { plane: front.url, telemetrySpoolMebibytes: spoolMebibytes })
  await world.startAgent(cluster)
  const driver = new RecordDriver()
  driver.connect({
    ...(await connectOptions(client, cluster)),
    proxies: await makeTokens(client, 'east', PROXIES),
  })
  return {
    client,
    front,
    driver,
    agentPid: agentPid(cluster),
    readCounts: () => readCounts(cluster),
    stop: async () => {
      driver.close()
      await world.stop()
      front.close()
    },
  }
}

/** Of the agent's configuration. */
const changeSettings = async (
  cluster: WorldCluster,
  settings: Readonly<Record<string, string | number>>,
): Promise<void> => {
  const file = join(cluster.dataDirectory, 'agent.yaml')
  const kept = (await readFile(file, 'utf8'))
    .split('\n')
    .filter((line) => !Object.hasOwn(settings, line.split(':', 1)[0] ?? ''))
  const changed = Object.entries(settings).map(([name, value]) => `${name}: ${value}`)
  await writeFile(file, [...kept, ...changed, ''].join('\n'))
}

const readCounts = async ({ httpAddress }: WorldCluster): Promise<AgentCounts> => {
  const text = await (await fetch(`http://${httpAddress}/metrics`)).text()
  const values = (name: string): [labels: string, value: number][] =>
    [...text.matchAll(new RegExp(`^atoll_agent_telemetry_${name}{([^}]*signal="logs"[^}]*)} (\\S+)$`, 'gm'))].map(
      ([, labels = '', value]) => [labels, Number(value)],
    )
  const sum = (name: string): number => values(name).reduce((total, [, value]) => total + value, 0)
  return {
    received: sum('received_total'),
    sent: sum('sent_total'),
    shed: Object.fromEntries(
      values('shed_total').flatMap(([labels, value]) =>
        value > 0 ? [[/reason="([^"]*)"/.exec(labels)?.[1] ?? '', value]] : [],
      ),
    ),
    waiting: sum('waiting') + sum('spooled'),
  }
}

/** When nothing waits in the agent any more. */
export const untilSent = (world: RecordWorld, seconds: number): Promise<AgentCounts> =>
  eventually(
    'the agent has sent all that it has',
    async () => {
      const counts = await world.readCounts()
      const shed = Object.values(counts.shed).reduce((sum, value) => sum + value, 0)
      return counts.waiting === 0 && counts.received === counts.sent + shed && counts
    },
    seconds * 1000,
    200,
  )
