import { expect, test } from 'vitest'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import type { Service } from '#mesh/service.ts'
import type { ViewChange } from '#mesh/view.ts'
import {
  east,
  makeEndpoint,
  makeEntry,
  makeObject,
  makeService,
  makeWorkload,
  network1,
  settings,
  trust,
} from '#test/mesh/records.ts'
import type { Unit } from '#xds/incremental/unit.ts'
import { UnitGraph } from '#xds/incremental/unit-graph.ts'
import { ResourceSet } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'
import { proxyUnit } from './proxy-unit.ts'

const nodes = Array.from({ length: 40 }, (_, index) => `node-${index}`)

const toHost = (name: string): string => `${name}.default.svc.cluster.local`

const offer = (name: string, told: Partial<Service> = {}, on: readonly string[] = nodes): ViewChange => {
  const service = makeService({ hostname: toHost(name), ...told })
  const endpoints = on.map((node) => makeEndpoint(node, { node }))
  return { kind: 'catalog', cluster: east, service: service.key, value: makeEntry(service, ...endpoints) }
}

const route = (name: string, host: string): ViewChange => ({
  kind: 'config',
  origin: 'mesh',
  key: `VirtualService/default/${name}`,
  value: makeObject('VirtualService', name, { hosts: [host], http: [{ route: [{ destination: { host: 'a' } }] }] }),
})

/** A sidecar on each node, compiled for these changes; `take` tells the units that are compiled again for others. */
const start = (...changes: readonly ViewChange[]) => {
  const store = new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust })
  store.apply([
    ...nodes.map((node): ViewChange => ({
      kind: 'workload',
      key: `default/${node}`,
      value: makeWorkload(node, { node }),
    })),
    ...changes,
  ])
  let compiled: string[] = []
  const observe = (unit: Unit): Unit => ({
    key: unit.key,
    compile(view) {
      compiled.push(unit.key)
      const { includes = [], sharedRoot, ...output } = unit.compile(view)
      return {
        ...output,
        includes: includes.map(observe),
        ...(sharedRoot && { sharedRoot: observe(sharedRoot) }),
      }
    },
  })
  const graph = new UnitGraph(store)
  const classes = new Map<string, ResourceSet>()
  const parts = new Map<string, ResourceSet>()
  for (const node of nodes) {
    const root = observe(
      proxyUnit({ role: 'sidecar', namespace: 'default', serviceAccount: 'default', workload: node }),
    )
    graph.fill(new ResourceSet(node), root)
    const { sharedRoot, place } = graph.outputOf(root) ?? {}
    if (!sharedRoot) continue
    const shared = getOrAdd(classes, sharedRoot.key, () => {
      const set = new ResourceSet(sharedRoot.key)
      graph.fill(set, sharedRoot)
      return set
    })
    if (place !== undefined)
      graph.fillPart(
        getOrAdd(parts, place, () => new ResourceSet(place)),
        shared,
        place,
      )
  }
  return {
    compiled,
    classes,
    parts,
    take(...further: readonly ViewChange[]): readonly string[] {
      compiled = []
      graph.update(store.apply(further))
      return compiled.toSorted()
    },
  }
}

test.each([{ isNodeLocal: true }, { trafficDistribution: 'PreferSameNode' }] as const)(
  'a service that tells nodes apart is given its endpoints by node, and nothing else: $isNodeLocal $trafficDistribution',
  (told) => {
    const all = ['a', 'b', 'c', 'd'].flatMap((name) => [offer(name), route(name, toHost(name))])
    const before = start(...all)
    const after = start(...all, offer('a', told))
    expect([before.classes.size, after.classes.size]).toEqual([1, 1])
    expect(after.compiled.toSorted()).toEqual(before.compiled.toSorted())
    const contents = [...after.parts.values()].map((set) => ({
      endpoints: [...set.all(typeUrls.endpoint).keys()],
      all: Object.values(typeUrls).reduce((sum, type) => sum + set.all(type).size, 0),
    }))
    expect(contents).toEqual(nodes.map(() => ({ endpoints: [`outbound|80||${toHost('a')}`], all: 1 })))
  },
)

test.each([{ isNodeLocal: true }, { trafficDistribution: 'PreferSameNode' }] as const)(
  'an endpoint that comes or goes costs as much whether or not its service tells nodes apart: $isNodeLocal $trafficDistribution',
  (told) => {
    const mesh = start(offer('a', told), offer('b'))
    const before = [...mesh.parts.values()].map((set) => set.generation)
    const left = nodes.slice(0, -1)
    expect(mesh.take(offer('a', told, left))).toHaveLength(mesh.take(offer('b', {}, left)).length)
    expect([...mesh.parts.values()].map((set) => set.generation)).not.toEqual(before)
  },
)

const proxied: ViewChange = { kind: 'settings', value: { ...settings, meshConfig: { proxyHttpPort: 15007 } } }
const captured: ViewChange = {
  kind: 'workload',
  key: 'default/node-0',
  value: makeWorkload('node-0', { node: 'node-0', capture: 'transparent' }),
}

test('a new service plans the hosts of wildcards again that mean it, and no other', () => {
  const mesh = start(proxied, captured, offer('a'), route('under', '*.example.org'), route('all', '*.test'))
  const unrelated = mesh.take(offer('new', { ports: [{ name: 'http', number: 9000, protocol: 'http' }] }))
  expect(unrelated.filter((key) => /^(routed|captured-port\|80)/.test(key))).toEqual([])
  const outside = { hostname: 'new.example.org', source: 'service-entry', location: 'mesh-external' } as const
  const related = mesh.take(offer('outside', { ...outside, ports: [{ name: 'http', number: 9001, protocol: 'http' }] }))
  const planned = related.filter((key) => key.startsWith('routed-host|'))
  expect([...new Set(planned.map((key) => key.split('|').at(-1)))]).toEqual(['*.example.org'])
})

const tell = (namespace: string, name: string, spec: object): ViewChange => ({
  kind: 'config',
  origin: 'mesh',
  key: `Telemetry/${namespace}/${name}`,
  value: makeObject('Telemetry', name, { ...spec }, { namespace }),
})

test('a Telemetry that says something else touches listeners of those whom it is for, and nothing else', () => {
  const told = (host: string) => ({
    accessLogging: [{ providers: [{ name: 'envoy' }], filter: { expression: `request.host == '${host}'` } }],
  })
  const ofNode = (host: string) => ({ ...told(host), selector: { matchLabels: { app: 'other' } } })
  const mesh = start(
    captured,
    offer('a'),
    offer('b'),
    tell('default', 'wide', told('a')),
    tell('other', 'wide', told('a')),
  )
  const kindsOf = (keys: readonly string[]) => [...new Set(keys.map((key) => key.split('|')[0]))]
  expect(mesh.take(tell('other', 'wide', told('b')))).toEqual([])
  expect(kindsOf(mesh.take(tell('default', 'one', ofNode('a'))))).toEqual(['proxy'])
  expect(kindsOf(mesh.take(tell('default', 'wide', told('b'))))).toEqual([
    'captured-port',
    'gate',
    'inbound',
    'outbound',
    'proxy',
    'told-upstreams',
  ])
})

const peers = (namespace: string, spec: Record<string, unknown>): ViewChange => ({
  kind: 'config',
  origin: 'mesh',
  key: `PeerAuthentication/${namespace}/all`,
  value: makeObject('PeerAuthentication', 'all', spec, { namespace }),
})

test('a PeerAuthentication costs what its namespace listens with, and what calls the ports whose plaintext it changes', () => {
  const mesh = start(offer('a'), offer('b'))
  const kinds = (keys: readonly string[]) => [...new Set(keys.map((key) => key.split('|')[0]))]
  expect(mesh.take(peers('elsewhere', { mtls: { mode: 'DISABLE' } }))).toEqual([])
  const before = [...mesh.classes.values()].map((set) => set.generation)
  const own = mesh.take(peers('default', { mtls: { mode: 'PERMISSIVE' } }))
  expect([kinds(own), own.length]).toEqual([['inbound'], nodes.length])
  expect([...mesh.classes.values()].map((set) => set.generation)).toEqual(before)
  expect(kinds(mesh.take(peers('default', { mtls: { mode: 'DISABLE' } })))).toEqual(['inbound', 'upstreams'])
})
