import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from '#api/client.ts'
import { createToken } from '#api/routes/tokens.ts'
import { eventually } from '#test/harness/child.ts'
import { World } from '#test/harness/world.ts'
import { signIn } from '../bench-mesh.ts'
import type { EncodedBatch } from './edge-lines.ts'

const SENDERS = 4
const ARCHIVED_WITHIN_MS = 180_000
/** Longer than a segment takes. */
const QUIET_MS = 10_000

/** A plane with one cluster, east, and who sends lines to it. */
export interface EdgeWorld {
  readonly world: World
  readonly client: ApiClient
  /** Of the plane's process. */
  readonly pid: number
  /** Sends all batches, a few at a time; answers when all are stored. */
  readonly send: (batches: Iterable<EncodedBatch>) => Promise<void>
}

export const openEdgeWorld = async (directory: string): Promise<EdgeWorld> => {
  const world = await World.create(directory)
  const client = await signIn(world)
  await world.startAgent(await world.join('east', 'flat'))
  // Each sender has its own: requests of one token are limited. Made only now, or idle connections would be closed.
  const tokens = await Promise.all(Array.from({ length: SENDERS }, () => makeSenderToken(client)))
  const send = async (batches: Iterable<EncodedBatch>): Promise<void> => {
    const left = batches[Symbol.iterator]()
    const sendOn = async (token: string): Promise<void> => {
      for (let next = left.next(); !next.done; next = left.next()) await post(world, token, next.value.body)
    }
    await Promise.all(tokens.map(sendOn))
  }
  return { world, client, pid: world.plane?.pid ?? 0, send }
}

const makeSenderToken = async (client: ApiClient): Promise<string> => {
  const scopes = { mesh: 'demo', cluster: 'east' }
  return (await client.call(createToken, { json: { name: 'bench', role: 'telemetry', scopes } })).secret
}

/** What is there to be sent again later is sent again, as every sender of OTLP does. */
const post = async (world: World, token: string, body: EncodedBatch['body']): Promise<void> => {
  for (;;) {
    const response = await fetch(`${world.url}/v1/otlp/v1/logs`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${token}`,
        'Content-Type': 'application/x-protobuf',
        'Content-Encoding': 'gzip',
      },
      body,
    })
    const text = await response.text()
    if (response.status === 200) return
    if (response.status !== 429 && response.status !== 503) throw new Error(`${response.status}: ${text}`)
    await sleep(Number(response.headers.get('retry-after')) * 1000)
  }
}

interface Archive {
  readonly segments: number
  readonly bytes: number
}

/** What is in the plane's archive of telemetry when all that is due is there, so that no more comes: the runtime keeps an object as a file. */
export const readArchive = (world: World): Promise<Archive> => {
  let [known, since] = [0, performance.now()]
  return eventually(
    'the lines are in the archive',
    () => {
      const archive = listSegments(world)
      if (archive.segments !== known) [known, since] = [archive.segments, performance.now()]
      return archive.segments > 0 && performance.now() - since > QUIET_MS && archive
    },
    ARCHIVED_WITHIN_MS,
    500,
  )
}

const listSegments = ({ planeData }: World): Archive => {
  const files = readdirSync(planeData, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /atoll-telemetry\/blobs\/[^/]+$/.test(path),
  )
  return {
    segments: files.length,
    bytes: files.reduce((sum, path) => sum + statSync(join(planeData, path)).size, 0),
  }
}
