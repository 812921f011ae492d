import { runInDurableObject } from 'cloudflare:test'
import { expect, test } from 'vitest'
import type { Trust } from '#api/schemas/trust.ts'
import { joinTestCluster } from './support/test-agent.ts'
import { createTestMesh } from './support/test-plane.ts'

const DAY_MS = 24 * 60 * 60 * 1000

test('what ends, or should have been renewed, is told while there is time', async () => {
  const mesh = await createTestMesh()
  await joinTestCluster(mesh, 'east', 'net-east')
  const expiring = async () =>
    (await mesh.send<Trust>('GET', '/trust')).body.expiring.map(({ kind, cluster, message }) => [
      kind,
      cluster,
      message,
    ])
  const change = (what: string, ...values: readonly (string | number)[]) =>
    runInDurableObject(mesh.stub, (_instance, { storage }) => {
      storage.sql.exec(what, ...values)
    })
  const lasts = (from: number, to: number) =>
    change(
      `UPDATE certificates SET not_before = ?, not_after = ? WHERE kind = 'intermediate'`,
      Date.now() + from * DAY_MS,
      Date.now() + to * DAY_MS,
    )
  expect(await expiring()).toEqual([])
  await lasts(-50, 40)
  expect(await expiring()).toEqual([])
  await lasts(-60, 30)
  expect(await expiring()).toEqual([['intermediate', 'east', expect.stringContaining('should have been renewed')]])
  await lasts(-90, 0)
  expect(await expiring()).toEqual([['intermediate', 'east', expect.stringContaining('no intermediate that is good')]])
  await lasts(-1, 89)
  await change('UPDATE roots SET not_after = ?', Date.now() + 200 * DAY_MS)
  expect(await expiring()).toEqual([['root', null, expect.stringContaining('less than a year')]])
  await change(`UPDATE roots SET origin = 'uploaded'`)
  expect(await expiring()).toEqual([])
  await change('UPDATE roots SET not_after = ?', Date.now() + 100 * DAY_MS)
  expect(await expiring()).toEqual([['root', null, expect.stringContaining('bring its successor')]])
})
