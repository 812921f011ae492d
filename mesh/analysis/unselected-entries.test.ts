import { expect, test } from 'vitest'
import { countReads } from '#test/mesh/count-reads.ts'
import { makeObject } from '#test/mesh/records.ts'
import { analyze } from './analyze.ts'
import { toAnalyzedObjects } from './analyzed-objects.ts'
import { findUnselectedEntries } from './unselected-entries.ts'

const known = { domainSuffix: 'cluster.local', hasHost: () => true }
const machine = makeObject('WorkloadEntry', 'vm', { address: '10.0.0.1', labels: { app: 'vm' } })
const selecting = (app: string, metadata = {}, resolution = 'STATIC') =>
  makeObject(
    'ServiceEntry',
    'vms',
    {
      hosts: ['vms.example'],
      resolution,
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      workloadSelector: { labels: { app } },
    },
    metadata,
  )

test.each([
  ['nothing', [], true],
  ['a ServiceEntry', [selecting('vm')], false],
  ['a ServiceEntry for other labels', [selecting('other')], true],
  ['a ServiceEntry of another namespace', [selecting('vm', { namespace: 'other' })], true],
  ['a ServiceEntry that has no use for endpoints', [selecting('vm', {}, 'NONE')], true],
  ['a Service', [makeObject('Service', 'vms', { selector: { app: 'vm' }, ports: [{ port: 80 }] })], true],
])('a WorkloadEntry of the mesh that is selected by %s', (_what, others, isTold) => {
  const told = analyze([machine, ...others], known).filter(({ object }) => object?.kind === 'WorkloadEntry')
  expect(told.map(({ code, path }) => `${code} ${path}`)).toEqual(isTold ? ['ineffective '] : [])
})

test('is not told of files, which may be for a cluster', () => {
  expect(analyze([machine], { ...known, lookedIn: 'objects' })).toEqual([])
})

test('costs work in proportion to the entries of a namespace, though all of them have a label in common', () => {
  const readsOf = (count: number): number => {
    const ids = Array.from({ length: count }, (_, id) => `${id}`)
    const { serviceEntries, workloadEntries } = toAnalyzedObjects(
      ids.flatMap((id) => [
        makeObject('WorkloadEntry', `vm-${id}`, { address: '10.0.0.1', labels: { app: 'vm', id } }),
        makeObject('ServiceEntry', `vms-${id}`, {
          hosts: [`vms-${id}.example`],
          resolution: 'STATIC',
          ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
          workloadSelector: { labels: { app: 'vm', id } },
        }),
      ]),
    )
    return countReads({ serviceEntries, workloadEntries }, (counted) => {
      expect(findUnselectedEntries(counted)).toEqual([])
    })
  }
  expect(readsOf(100)).toBeLessThan(2.5 * readsOf(50))
})
