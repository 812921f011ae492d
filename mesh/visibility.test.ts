import { makeService } from '#test/mesh/records.ts'
import { describe, expect, test } from 'vitest'
import { isOfferedTo, isVisibleFrom } from './visibility.ts'

const external = { source: 'service-entry', location: 'mesh-external' } as const

describe('visibility', () => {
  test.each([
    [['*'], 'default', true],
    [['*'], 'other', true],
    [['.'], 'default', true],
    [['.'], 'other', false],
    [['other'], 'other', true],
    [['other'], 'default', false],
    [['a', 'other'], 'other', true],
    [['~'], 'default', false],
    [['~', '*'], 'default', false],
  ])('exportTo %j, seen from namespace %s: %s', (exportTo, namespace, expected) => {
    const service = makeService({ exportTo })
    expect(isVisibleFrom(service, namespace)).toBe(expected)
    expect(isOfferedTo(service, { namespaces: new Set([namespace]) })).toBe(expected)
  })

  test('a service for all is offered to a cluster without namespaces too', () => {
    expect(isOfferedTo(makeService(), { namespaces: new Set() })).toBe(true)
  })

  test('a ServiceEntry for the outside world is seen in its cluster and offered to no other', () => {
    const service = makeService(external)
    expect(isVisibleFrom(service, 'default')).toBe(true)
    expect(isOfferedTo(service, { namespaces: new Set(['default']) })).toBe(false)
    expect(isOfferedTo(makeService({ ...external, location: 'mesh-internal' }), { namespaces: new Set() })).toBe(true)
  })
})
