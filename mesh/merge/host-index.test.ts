import { describe, expect, test } from 'vitest'
import { HostIndex } from './host-index.ts'

const object = (name: string, creationTimestamp?: string) => ({
  metadata: { name, namespace: 'default', ...(creationTimestamp !== undefined && { creationTimestamp }) },
})
const names = (objects: readonly { readonly metadata: { readonly name: string } }[]): readonly string[] =>
  objects.map(({ metadata }) => metadata.name)

describe('HostIndex', () => {
  test.each(['*', '*.example.org', '*.b.example.org', '*b.example.org'])('%s matches a.b.example.org', (wildcard) => {
    const index = new HostIndex('age')
    index.set('x', { object: object('x'), hosts: [wildcard] })
    index.setServiceHost('a.b.example.org', true)
    expect([...index.settle()].toSorted()).toEqual([wildcard, 'a.b.example.org'].toSorted())
    expect(names(index.find('a.b.example.org'))).toEqual(['x'])
  })

  test.each(['*.a.b.example.org', '*.example.com'])('%s does not', (wildcard) => {
    const index = new HostIndex('age')
    index.setServiceHost('a.b.example.org', true)
    index.set('x', { object: object('x'), hosts: [wildcard] })
    index.settle()
    expect(index.find('a.b.example.org')).toEqual([])
  })

  test('a wildcard is itself matched by wider ones only', () => {
    const index = new HostIndex('specificity')
    index.set('narrow', { object: object('narrow'), hosts: ['*.b.example.org'] })
    index.set('wide', { object: object('wide'), hosts: ['*.example.org'] })
    index.settle()
    expect(names(index.find('*.b.example.org'))).toEqual(['narrow', 'wide'])
    expect(names(index.find('*.example.org'))).toEqual(['wide'])
  })

  test('knows the hosts of services and of objects, and forgets them', () => {
    const index = new HostIndex('age')
    index.set('wide', { object: object('wide'), hosts: ['*.example.org'] })
    index.set('exact', { object: object('exact'), hosts: ['a.example.org'] })
    index.setServiceHost('b.example.org', true)
    index.settle()
    expect(names(index.find('a.example.org'))).toEqual(['exact', 'wide'])
    expect(names(index.find('b.example.org'))).toEqual(['wide'])
    expect(names(index.find('c.example.org'))).toEqual([])
    index.set('exact', null)
    index.setServiceHost('b.example.org', false)
    expect([...index.settle()].toSorted()).toEqual(['a.example.org', 'b.example.org'])
    expect(index.find('b.example.org')).toEqual([])
  })

  test('orders by age, the undated last, then by name', () => {
    const index = new HostIndex('age')
    for (const each of [
      object('undated'),
      object('b', '2026-01-02T00:00:00Z'),
      object('a', '2026-01-02T00:00:00Z'),
      object('old', '2026-01-01T23:00:00-05:00'),
      object('older', '2026-01-01T23:00:00Z'),
    ]) {
      index.set(each.metadata.name, { object: each, hosts: ['x.example.org'] })
    }
    index.settle()
    expect(names(index.find('x.example.org'))).toEqual(['older', 'a', 'b', 'old', 'undated'])
  })

  test('names an object once, however often it names the host', () => {
    const index = new HostIndex('age')
    index.set('x', { object: object('x'), hosts: ['a.example.org', '*.example.org', 'a.example.org'] })
    index.settle()
    expect(names(index.find('a.example.org'))).toEqual(['x'])
    index.set('x', null)
    index.settle()
    expect(index.find('a.example.org')).toEqual([])
  })
})
