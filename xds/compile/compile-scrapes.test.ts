import { expect, test } from 'vitest'
import type { Workload } from '#mesh/workload.ts'
import { network1 } from '#test/mesh/records.ts'
import { compileScrapes } from './compile-scrapes.ts'

const workload: Workload = {
  namespace: 'default',
  name: 'web-1',
  address: '10.0.0.1',
  labels: {},
  serviceAccount: 'web',
  network: network1,
  locality: '',
  capture: 'transparent',
}
const scrapeTarget = { port: 8080, path: '/metrics' }

test.each([
  ['that names no metrics', workload],
  ['that has no address yet', { ...workload, address: '', scrapeTarget }],
])('a pod %s has no listener for them', (_, pod) => {
  expect(compileScrapes(pod)).toEqual({ listeners: [], upstreams: [] })
})

test('the application is asked at its own address, by one path', () => {
  const { listeners, upstreams } = compileScrapes({ ...workload, scrapeTarget })
  expect(listeners).toMatchObject([{ address: '0.0.0.0', port: 15_020, serves: 'scrapes' }])
  expect(upstreams).toMatchObject([
    {
      discovery: { assignment: { localities: [{ endpoints: [{ address: '10.0.0.1', port: 8080 }] }] } },
      sourceAddress: '127.0.0.6',
      tls: { mode: 'none' },
    },
  ])
})
