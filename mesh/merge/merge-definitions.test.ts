import { makeEndpoint, makeService, north } from '#test/mesh/records.ts'
import { describe, expect, test } from 'vitest'
import { combineEndpoints, mergeDefinitions } from './merge-definitions.ts'

const http = { name: 'http', number: 80, protocol: 'http' } as const

describe('mergeDefinitions', () => {
  test('keeps a lone definition as it is', () => {
    const service = makeService()
    expect(mergeDefinitions(service)).toMatchObject({ service, problems: [] })
  })

  test('unites ports by number; the first one’s name and protocol hold', () => {
    const { service, problems } = mergeDefinitions(
      makeService({ ports: [http] }),
      makeService({
        ports: [
          { name: 'web', number: 80, protocol: 'tcp' },
          { name: 'admin', number: 81, protocol: 'http' },
        ],
      }),
    )
    expect(service.ports).toEqual([http, { name: 'admin', number: 81, protocol: 'http' }])
    expect(problems).toMatchObject([
      { code: 'conflict', severity: 'warning', object: { kind: 'Service', name: service.hostname } },
    ])
  })

  test('renames a port whose name another number has', () => {
    const first = makeService({ ports: [http, { name: 'http-8080', number: 81, protocol: 'tcp' }] })
    const second = makeService({ ports: [{ name: 'http', number: 8080, protocol: 'http' }] })
    const { service } = mergeDefinitions(first, second)
    expect(service.ports.map(({ name, number }) => [name, number])).toEqual([
      ['http', 80],
      ['http-8080', 81],
      ['http-8080-8080', 8080],
    ])
  })

  test('a name that is made up is no longer than a name may be', () => {
    const name = 'n'.repeat(63)
    const { service } = mergeDefinitions(
      makeService({ ports: [{ ...http, name }] }),
      makeService({ ports: [{ ...http, name, number: 8080 }] }),
    )
    expect(service.ports[1]?.name).toBe(`${'n'.repeat(58)}-8080`)
  })
})

describe('combineEndpoints', () => {
  test('calls the ports of endpoints as the merged service does, also when two names change places', () => {
    const merged = mergeDefinitions(
      makeService({ ports: [http, { name: 'web', number: 81, protocol: 'http' }] }),
      makeService({
        ports: [
          { name: 'web', number: 80, protocol: 'http' },
          { name: 'http', number: 81, protocol: 'http' },
        ],
      }),
    )
    const [endpoint] = combineEndpoints(merged, [[], [makeEndpoint('a', { ports: { web: 8080, http: 8081 } })]])
    expect(endpoint?.ports).toEqual({ http: 8080, web: 8081 })
  })

  test('sorts by cluster and id; one id may be in two clusters but in one of them only once', () => {
    const merged = mergeDefinitions(makeService(), makeService())
    const endpoints = combineEndpoints(merged, [
      [makeEndpoint('b', { address: 'first' }), makeEndpoint('a', { cluster: north })],
      [makeEndpoint('a'), makeEndpoint('b', { address: 'second' })],
    ])
    expect(endpoints.map(({ cluster, id, address }) => [cluster, id, address])).toEqual([
      ['east', 'a', '10.0.0.1'],
      ['east', 'b', 'first'],
      ['north', 'a', '10.0.0.1'],
    ])
  })

  test.each([
    ['static', 'dns', []],
    ['dns', 'dns-round-robin', ['a']],
  ] as const)('of a definition with resolution %s and one with %s', (first, second, expected) => {
    const merged = mergeDefinitions(makeService({ resolution: first }), makeService({ resolution: second }))
    expect(combineEndpoints(merged, [[], [makeEndpoint('a')]]).map(({ id }) => id)).toEqual(expected)
    expect(merged.problems).toHaveLength(expected.length === 0 ? 1 : 0)
  })
})
