import { createScheduledController } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import type { ApplyResult } from '#api/schemas/configuration.ts'
import worker from '#worker/main.ts'
import { apply, toRule } from './support/test-configuration.ts'
import { createTestMesh } from './support/test-plane.ts'

test('every mesh is exported once a day, as something that can be applied again', async () => {
  const mesh = await createTestMesh()
  await apply(mesh, toRule('reviews', 'v1'))
  const controller = createScheduledController({ scheduledTime: new Date('2026-11-21T03:17:00Z') })
  await worker.scheduled(controller, env)

  const { objects } = await env.EXPORTS.list()
  const exported = objects.find(({ key }) => key.endsWith(`/${mesh.id}/2026-11-21.json`))
  const text = await (await env.EXPORTS.get(exported?.key ?? ''))?.text()
  const other = await createTestMesh()
  const { body } = await other.send<ApplyResult>('POST', '/configuration', {
    yaml: text ?? '',
    headers: { 'Content-Type': 'application/json' },
  })
  expect(body).toMatchObject({ revision: 1, changes: [{ key: 'DestinationRule/default/reviews', action: 'created' }] })
})
