import { east, makeService, north, west } from '#test/mesh/records.ts'
import { expect, test } from 'vitest'
import type { Service } from '../service.ts'
import { findDrift, type ClusterDefinition } from './drift.ts'

type Varied = Parameters<typeof makeService>[0]
const define = (
  cluster: ClusterDefinition['cluster'],
  varied: Varied = {},
  isHeadless?: boolean,
): ClusterDefinition => ({ cluster, service: makeService(varied), ...(isHeadless !== undefined && { isHeadless }) })
const told = (...definitions: readonly ClusterDefinition[]) =>
  findDrift(definitions).map(({ path, message }) => `${path} ${message.split(':')[0]}`)

const http: Service['ports'][number] = { name: 'http', number: 80, protocol: 'http' }

test.each<[string, readonly ClusterDefinition[], readonly string[]]>([
  ['one cluster', [define(east)], []],
  [
    'clusters that agree, ports in another order',
    [
      define(east, { ports: [http, { ...http, name: 'web', number: 81 }] }),
      define(west, { ports: [{ ...http, name: 'web', number: 81 }, http] }),
    ],
    [],
  ],
  [
    'a port that one has not',
    [define(west, { ports: [] }), define(north), define(east)],
    ['spec.ports port 80 is http "http" in east, north; absent in west'],
  ],
  [
    'protocols and names',
    [
      define(east, { ports: [http, { ...http, name: '', number: 81 }] }),
      define(west, {
        ports: [
          { ...http, protocol: 'tcp' },
          { ...http, name: 'web', number: 81 },
        ],
      }),
    ],
    [
      'spec.ports port 80 is http "http" in east; tcp "http" in west',
      'spec.ports port 81 is http in east; http "web" in west',
    ],
  ],
  [
    'aliases',
    [define(east, { aliasOf: 'a.example' }), define(west, { aliasOf: 'b.example' }), define(north)],
    ['spec.externalName it is an alias of a.example in east; no alias in north; an alias of b.example in west'],
  ],
  [
    'virtual addresses',
    [define(east, {}, true), define(west, {}, false), define(north)],
    ['spec.clusterIP it is headless in east; with a virtual address in west'],
  ],
  [
    'resolution',
    [define(east, { source: 'service-entry', resolution: 'dns' }), define(west, { source: 'service-entry' })],
    ['spec.resolution resolution is dns in east; static in west'],
  ],
  [
    'exportTo',
    [define(east, { exportTo: ['a', 'b'] }), define(west, { exportTo: ['b', 'a'] }), define(north)],
    ['metadata.annotations["networking.istio.io/exportTo"] exportTo is a,b in east, west; * in north'],
  ],
  [
    'trafficDistribution',
    [define(east, { trafficDistribution: 'PreferSameZone' }), define(west)],
    ['spec.trafficDistribution trafficDistribution is PreferSameZone in east; none in west'],
  ],
  ['what a cluster keeps for itself', [define(east), define(west, { ports: [], exportTo: ['~'] })], []],
  [
    'selectors, addresses and labels',
    [define(east, { addresses: ['10.0.0.1'] }), define(west, { labels: { a: 'b' } })],
    [],
  ],
])('finds the drift of %s', (_, definitions, expected) => {
  expect(told(...definitions)).toEqual(expected)
})
