import { makeEndpoint, makeEntry, makeService, network1, network2 } from '#test/mesh/records.ts'
import { describe, expect, test } from 'vitest'
import { summariseCatalog } from './summarise-catalog.ts'

const service = makeService()
const keys = new Set(['version'])

describe('summariseCatalog', () => {
  test('puts alike endpoints together: locality, ports, labels that somebody looks at', () => {
    const entry = makeEntry(
      service,
      makeEndpoint('a', { labels: { version: 'v1', pod: 'a' }, weight: 2, serviceAccount: 'b' }),
      makeEndpoint('b', { labels: { pod: 'b', version: 'v1' }, weight: 3, serviceAccount: 'a' }),
      makeEndpoint('c', { labels: { version: 'v2' } }),
      makeEndpoint('d', { labels: { version: 'v1' }, locality: 'r1/z1' }),
      makeEndpoint('e', { labels: { version: 'v1' }, ports: { web: 80, http: 81 } }),
      makeEndpoint('f', { labels: { version: 'v1' }, ports: { http: 82, web: 83 } }),
    )
    const summary = summariseCatalog(entry, keys, network1)
    expect(summary?.service).toBe(service)
    expect(summary?.groups).toEqual([
      { locality: '', ports: ['http', 'web'], labels: { version: 'v1' }, weight: 2, serviceAccounts: ['default'] },
      { locality: '', ports: ['http'], labels: { version: 'v1' }, weight: 5, serviceAccounts: ['a', 'b'] },
      { locality: '', ports: ['http'], labels: { version: 'v2' }, weight: 1, serviceAccounts: ['default'] },
      { locality: 'r1/z1', ports: ['http'], labels: { version: 'v1' }, weight: 1, serviceAccounts: ['default'] },
    ])
  })

  test('leaves out ports that take plaintext alone', () => {
    const entry = makeEntry(service, makeEndpoint('a', { ports: { web: 80, http: 81 }, plaintextPorts: [81] }))
    expect(summariseCatalog(entry, keys, network1)?.groups).toMatchObject([{ ports: ['web'] }])
  })

  test('of an alias is its definition', () => {
    const alias = makeService({ aliasOf: 'a.example', resolution: 'dns' })
    expect(summariseCatalog(makeEntry(alias), keys, network1)).toEqual({ service: alias, groups: [] })
  })

  test('does not depend on the order of endpoints and labels', () => {
    const [a, b] = [
      makeEndpoint('a', { labels: { version: 'v1', tier: 'x' } }),
      makeEndpoint('b', { labels: { tier: 'x', version: 'v2' } }),
    ]
    const both = new Set(['version', 'tier'])
    expect(summariseCatalog(makeEntry(service, a, b), both, network1)).toEqual(
      summariseCatalog(makeEntry(service, b, a), both, network1),
    )
  })

  test.each([
    ['unhealthy', { health: 'unhealthy' }],
    ['draining', { health: 'draining' }],
    ['without mesh mTLS', { tls: 'none' }],
    ['one that takes plaintext on all of its ports', { ports: { http: 80, web: 81 }, plaintextPorts: [80, 81] }],
    ['on another network than its cluster', { network: network2 }],
    ['all that is on a network', { address: '' }],
  ] as const)('leaves out an endpoint that is %s', (_, varied) => {
    expect(summariseCatalog(makeEntry(service, makeEndpoint('a', varied)), keys, network1)).toBeNull()
    const summary = summariseCatalog(
      makeEntry(service, makeEndpoint('a', varied), makeEndpoint('b', { weight: 7 })),
      keys,
      network1,
    )
    expect(summary?.groups).toMatchObject([{ weight: 7 }])
  })

  test.each([{ exportTo: ['~'] }, { source: 'service-entry', location: 'mesh-external' }] as const)(
    'is null for %j',
    (varied) => {
      expect(summariseCatalog(makeEntry(makeService(varied), makeEndpoint('a')), keys, network1)).toBeNull()
    },
  )
})
