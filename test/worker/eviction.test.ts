import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import type { IssuedCertificate, Trust } from '#api/schemas/trust.ts'
import { pruneEvicted } from '#worker/mesh/clusters.ts'
import { joinTestCluster, TestAgent } from './support/test-agent.ts'
import { createTestMesh } from './support/test-plane.ts'

const DAY_MS = 24 * 60 * 60 * 1000

describe('eviction', () => {
  test('ends trust, services, tokens and sessions of a cluster, and raises the epoch of the trust', async () => {
    const mesh = await createTestMesh()
    const east = await joinTestCluster(mesh, 'east', 'net-a')
    const west = await joinTestCluster(mesh, 'west', 'net-b')
    const evicted = await TestAgent.connect(east)
    const other = await TestAgent.connect(west)
    await other.until((state) => state.has('cluster/east'))

    expect((await mesh.send('DELETE', '/clusters/east')).status).toBe(204)
    expect(await evicted.next('refused')).toMatchObject({ code: 'evicted' })
    await other.until((state) => !state.has('cluster/east'))
    const { body } = await mesh.send<Trust>('GET', '/trust')
    expect(body.epoch).toBe(1)
    expect(body.intermediates.map(({ cluster }) => cluster)).toEqual(['west'])
    const { body: issued } = await mesh.send<{ items: IssuedCertificate[] }>('GET', '/trust/certificates?cluster=east')
    expect(issued.items.map(({ state }) => state)).toEqual(['evicted'])
    expect((await mesh.send('GET', '/clusters/east')).status).toBe(404)

    const back = await TestAgent.dial(east)
    await back.hello()
    expect(await back.next('refused')).toMatchObject({ code: 'evicted' })
  })
})

test('a cluster that was evicted is forgotten after ninety days, or when a thousand others were evicted after it', async () => {
  const mesh = await createTestMesh()
  await joinTestCluster(mesh, 'east', 'net-a')
  await runInDurableObject(mesh.stub, (_instance, { storage: { sql } }) => {
    const evict = (name: string, at: number) =>
      sql.exec(
        `INSERT INTO clusters (name, network, kind, evicted_at, identity_key, joined_at, interest_since, term, gateways, namespaces, contribution)
         VALUES (?, 'net-a', 'universal', ?, '', 0, 0, 1, '[]', '[]', 'live')`,
        name,
        at,
      )
    const names = () =>
      sql
        .exec<{ name: string }>('SELECT name FROM clusters')
        .toArray()
        .map(({ name }) => name)
    evict('old', 0)
    evict('young', 1)
    pruneEvicted(sql, 90 * DAY_MS)
    expect(names().toSorted()).toEqual(['east', 'young'])
    for (let index = 0; index < 1_000; index += 1) evict(`more-${index}`, 2)
    pruneEvicted(sql, 3)
    expect(names()).toHaveLength(1_001)
    expect(names()).not.toContain('young')
  })
})
