import { expect, test } from 'vitest'
import { toPublishedCondition } from './to-published-condition.ts'

const rows = [
  [{ state: 'published', revision: 7 }, 'True Published: in the mesh since revision 7'],
  [{ state: 'waiting' }, 'Unknown Waiting: '],
  [{ state: 'not_granted', message: 'no grant' }, 'False NotGranted: no grant'],
  [
    { state: 'refused', revision: 3, path: 'spec.http', message: 'is wrong' },
    'False Refused: spec.http is wrong; in the mesh since revision 3',
  ],
] as const

test.each(rows)('%j is told as a condition', (publication, text) => {
  const { status, reason, message } = toPublishedCondition({ key: 'VirtualService/shop/a', ...publication })
  expect(`${status} ${reason}: ${message}`).toBe(text)
})
