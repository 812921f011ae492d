import { expect, test } from 'vitest'
import type { RevisionDelivery } from '#api/schemas/revisions.ts'
import { DeliveryWatch } from '#worker/mesh/delivery-watch.ts'

const toDelivery = (complete: boolean): RevisionDelivery => ({
  revision: 1,
  version: String(complete),
  clusters: [],
  complete,
})

test('news that comes while the delivery is being read is not missed', async () => {
  let isComplete = false
  const watch = new DeliveryWatch(async () => {
    const read = toDelivery(isComplete)
    if (!isComplete) {
      isComplete = true
      watch.notify()
    }
    await Promise.resolve()
    return read
  })
  // A watch that missed it would wait for an hour.
  expect(await watch.wait(1, null, 60 * 60 * 1000, Date.now)).toMatchObject({ complete: true })
})
