import { hash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { QuotaUse } from '#api/schemas/quotas.ts'
import { eventually } from '#test/harness/child.ts'
import { split } from '#test/harness/manifests.ts'
import { TwoClusters } from '#test/harness/two-clusters.ts'
import { World } from '#test/harness/world.ts'

let directory: string
let mesh: TwoClusters

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-publishing-'))
  const world = await World.create(directory)
  await TwoClusters.startPlane(world)
  mesh = await TwoClusters.join(world)
  await answersOf('both clusters', 'reviews-v1', 'reviews-v2')
}, 240_000)

afterAll(async () => {
  await mesh.stop()
  await rm(directory, { recursive: true, force: true })
})

/** Waits until the frontend in east is answered by these and no others. */
const answersOf = (what: string, ...apps: readonly string[]) =>
  eventually(`answers of ${what}`, async () => {
    const answers = await mesh.requests(20)
    return answers.failed === 0 && answers.byApp.size === apps.length && apps.every((app) => answers.byApp.has(app))
  })

/** West's own split, which asks to be published. */
const toFiles = (v1: number) =>
  split(v1, 100 - v1).replaceAll('namespace: default}', 'namespace: default, annotations: {atoll.dev/publish: mesh}}')

const publishersOf = async () => {
  const { stdout } = await mesh.world.atoll(['get'])
  return stdout.split('\n').flatMap((line) => (line.includes('reviews') ? [line.trim().split(/\s+/).at(-1)] : []))
}

test(
  'what west publishes by grant splits the traffic of callers in east, until the grant is revoked',
  { timeout: 240_000 },
  async () => {
    const { world, west } = mesh
    await world.writeRegistry(west, 'split.yaml', toFiles(0))
    const grants = await Promise.all(
      ['VirtualService', 'DestinationRule'].map((kind) =>
        world.atollJson<{ id: string }>([
          'publish',
          'grant',
          '--cluster',
          'west',
          '--namespace',
          'default',
          '--kind',
          kind,
        ]),
      ),
    )
    await answersOf('v2', 'reviews-v2')
    expect(await publishersOf()).toEqual(['west', 'west'])

    await world.writeRegistry(west, 'split.yaml', toFiles(100))
    await answersOf('v1', 'reviews-v1')
    const { items } = await world.atollJson<{ items: { operation: string; actor: { name: string } }[] }>([
      'revision',
      'list',
    ])
    expect(items[0]).toMatchObject({ operation: 'publish', actor: { name: 'west' } })
    const refused = await world.atoll(['delete', 'vs', 'reviews'], { allowFailure: true })
    expect(refused.code).not.toBe(0)
    expect(refused.output).toContain('lives in the cluster west')

    for (const { id } of grants) await world.atoll(['publish', 'revoke', id])
    await answersOf('both clusters again', 'reviews-v1', 'reviews-v2')
    expect(await publishersOf()).toEqual([])
  },
)

const limited = (limit: string) => `apiVersion: policy.atoll.dev/v1alpha1
kind: RateLimit
metadata: {name: reviews, namespace: default}
spec:
  selector: {matchLabels: {app: reviews}}
  limits:
  - {name: all, scope: MESH, ${limit}}
`

/** Calls from several at once, which wait for no one, until it is enough: what reviews answered, by status and application. */
const load = async (
  isEnough: (answers: ReadonlyMap<string, number>) => boolean,
  headers: Readonly<Record<string, string>> = {},
) => {
  const answers = new Map<string, number>()
  const caller = async () => {
    while (!isEnough(answers)) {
      const { status, body } = await mesh.call(headers)
      const answer = status === 200 ? (JSON.parse(body) as { app: string }).app : String(status)
      answers.set(answer, (answers.get(answer) ?? 0) + 1)
    }
  }
  const from = performance.now()
  await Promise.all(Array.from({ length: 8 }, caller))
  return { answers, seconds: (performance.now() - from) / 1000 }
}

const passedOf = (answers: ReadonlyMap<string, number>) =>
  ['reviews-v1', 'reviews-v2'].reduce((sum, app) => sum + (answers.get(app) ?? 0), 0)

test(
  'under load in both clusters a limit over the mesh lets through what it says, within its stated bound',
  { timeout: 240_000 },
  async () => {
    const rate = 50
    await mesh.world.atoll(['apply', '-f', '-', '--wait'], { input: limited(`requests: ${rate}, per: 1s`) })
    const { answers, seconds } = await load((each) => passedOf(each) >= rate * 8)
    const passed = passedOf(answers)
    const replicas = 2
    const bound = rate + rate * (seconds + 1) + Math.max(replicas, rate / 2)
    const sent = [...answers.values()].reduce((sum, count) => sum + count, 0)
    console.info(
      `${rate}/s over two clusters for ${seconds.toFixed(1)} s: ${sent} sent, ${passed} let through (${(passed / seconds).toFixed(1)}/s), at most ${Math.floor(bound)} by the bound;`,
      Object.fromEntries(answers),
    )
    expect(passed).toBeLessThanOrEqual(bound)
    for (const answer of ['reviews-v1', 'reviews-v2', '429']) expect(answers.get(answer)).toBeGreaterThan(rate)
  },
)

test(
  'a quota of a day is used up by a consumer in both clusters together, whoever answers, and shown',
  { timeout: 240_000 },
  async () => {
    const requests = 200
    const input = limited(`requests: ${requests}, calendar: DAY, by: [{header: x-api-key}]`)
    await mesh.world.atoll(['apply', '-f', '-', '--wait'], { input })
    const key = { 'x-api-key': 'a secret of ann' }
    // Refused for as long as it takes to hear of all that is leased and not used.
    const { answers } = await load((each) => passedOf(each) >= requests || (each.get('429') ?? 0) > 20_000, key)
    const passed = passedOf(answers)
    console.info(`${passed} of ${requests} a day let through;`, Object.fromEntries(answers))
    expect(passed).toBeGreaterThan(requests / 2)
    expect(passed).toBeLessThanOrEqual(requests + 2 + 8)
    const consumer = `sha256:${hash('sha256', key['x-api-key']).slice(0, 32)}`
    const findUse = async () => {
      const { items } = await mesh.world.atollJson<{ items: QuotaUse[] }>(['quotas'])
      return items.find((each) => each.consumer === consumer)
    }
    await eventually('all that went through in the list', async () => ((await findUse())?.used ?? 0) >= passed)
    expect(await findUse()).toMatchObject({ rateLimit: 'reviews', limit: 'all', requests })
    expect((await mesh.call({ 'x-api-key': 'of another' })).status).toBe(200)
  },
)

test(
  'without the plane, and then without an agent, a limit over the mesh lets through or not, as it says',
  { timeout: 240_000 },
  async () => {
    const input = `apiVersion: policy.atoll.dev/v1alpha1
kind: RateLimit
metadata: {name: reviews, namespace: default}
spec:
  selector: {matchLabels: {app: reviews}}
  limits:
  - {name: open, scope: MESH, requests: 1, per: 1s}
  - {name: closed, scope: MESH, requests: 1000, per: 1s, failOpen: false, match: {headers: {x-closed: {}}}}
`
    const statusesOf = async (headers: Readonly<Record<string, string>>) => {
      const statuses = new Set<number>()
      for (let index = 0; index < 20; index += 1) statuses.add((await mesh.call(headers)).status)
      return [...statuses].toSorted((one, other) => one - other)
    }
    const becomes = (what: string, headers: Readonly<Record<string, string>>, statuses: readonly number[]) =>
      eventually(what, async () => String(await statusesOf(headers)) === String(statuses))
    await mesh.world.atoll(['apply', '-f', '-', '--wait'], { input })
    await becomes('the limit', {}, [429])

    await mesh.world.plane?.stop()
    await becomes('open without the plane', {}, [200])
    await becomes('closed without the plane', { 'x-closed': 'yes' }, [429])

    await Promise.all([mesh.east.agent?.stop(), mesh.west.agent?.stop()])
    expect(await statusesOf({})).toEqual([200])
    expect(await statusesOf({ 'x-closed': 'yes' })).toEqual([503])
  },
)
