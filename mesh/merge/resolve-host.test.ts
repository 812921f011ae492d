import { expect, test } from 'vitest'
import { resolveHost } from './resolve-host.ts'

test.each([
  ['reviews', 'reviews.shop.svc.cluster.local'],
  ['Reviews', 'reviews.shop.svc.cluster.local'],
  ['reviews.other', 'reviews.other'],
  ['reviews.other.svc.cluster.local', 'reviews.other.svc.cluster.local'],
  ['*', '*'],
  ['*.example.org', '*.example.org'],
  ['API.example.org', 'api.example.org'],
  ['192.0.2.1', '192.0.2.1'],
  ['2001:db8::1', '2001:db8::1'],
])('%s means %s', (host, expected) => {
  expect(resolveHost(host, 'shop', 'cluster.local')).toBe(expected)
})
