import { expect, test } from 'vitest'
import { toPathTemplate } from './path-template.ts'

test.each([
  ['/', '/'],
  ['/users/7?x=/1', '/users/*'],
  ['/users/550e8400-e29b-41d4-a716-446655440000/orders', '/users/*/orders'],
  ['/blobs/da39a3ee5e6b4b0d3255bfef95601890afd80709', '/blobs/*'],
  ['/api/v1/reviews', '/api/v1/reviews'],
  ['/facade/deadbeef', '/facade/deadbeef'],
  ['/t/eyJhbGciOiJFUzI1NiJ9abc', '/t/*'],
])('%s is %s', (path, expected) => {
  expect(toPathTemplate(path)).toBe(expected)
})
