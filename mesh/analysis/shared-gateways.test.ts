import { expect, it } from 'vitest'
import { countReads } from '#test/mesh/count-reads.ts'
import { makeObject } from '#test/mesh/records.ts'
import { toAnalyzedObjects } from './analyzed-objects.ts'
import { findSharedServers } from './shared-gateways.ts'

const gateway = (name: string, selector: Readonly<Record<string, string>>, host: string) =>
  makeObject('Gateway', name, {
    selector,
    servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: [host] }],
  })
const gatewaysOf = (objects: readonly ReturnType<typeof gateway>[]) => toAnalyzedObjects(objects).gateways

it('finds a host that two selectors have on some proxies that only a third one names', () => {
  const told = (...others: ReturnType<typeof gateway>[]) =>
    findSharedServers(
      gatewaysOf([gateway('a', { istio: 'ig' }, 'a.org'), gateway('b', { team: 't' }, 'a.org'), ...others]),
    ).map(({ object, path }) => `${object?.name} ${path}`)
  expect(told()).toEqual([])
  expect(told(gateway('c', { istio: 'ig', team: 't' }, 'c.org'))).toEqual([
    'a spec.servers[0].hosts',
    'b spec.servers[0].hosts',
  ])
})
it('costs work in proportion to the Gateways, though one selector selects what all others do', () => {
  const readsOf = (count: number): number => {
    const ids = Array.from({ length: count }, (_, id) => `${id}`)
    const gateways = gatewaysOf(
      ids.flatMap((id) => [
        gateway(`ours-${id}`, { istio: 'ig' }, `ours-${id}.org`),
        gateway(`theirs-${id}`, { istio: 'ig', team: id }, `theirs-${id}.org`),
      ]),
    )
    return countReads(gateways, (counted) => {
      expect(findSharedServers(counted)).toEqual([])
    })
  }
  expect(readsOf(100)).toBeLessThan(2.5 * readsOf(50))
})
