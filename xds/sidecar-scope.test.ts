import { expect, test } from 'vitest'
import { readScene } from '#test/compile/scene.ts'
import { createCompiler } from './compiler.ts'
import { typeUrls } from './type-url.ts'

const sidecar = (namespace: string, name: string, spec: string) => `
  - apiVersion: networking.istio.io/v1
    kind: Sidecar
    metadata: {name: ${name}, namespace: ${namespace}}
    spec: ${spec}`

const egress = (...hosts: readonly string[]) => `{egress: [{hosts: ${JSON.stringify(hosts)}}]}`

/** What the client's proxy gets: the hosts that it has EnvoyClusters and endpoints for, and virtual hosts. */
const compile = (...sidecars: readonly string[]) => {
  const { store, proxies } = readScene(`
about: ''
services:
  - {host: a, ports: [http:80]}
  - {host: b, ports: [http:80]}
  - {host: c, namespace: prod, ports: [http:80]}
  - {host: ext.example, namespace: prod, ports: [http:80]}
workloads:
  client-1: {address: 127.0.77.1, labels: {app: client}}
config: ${sidecars.length > 0 ? sidecars.join('') : '[]'}
proxies: [sidecar/default/client-1]
`)
  const compiler = createCompiler(store)
  const sets = proxies.flatMap((proxy) => compiler.attach(proxy).sets)
  compiler.update(new Set(), 1)
  const namesOf = (type: (typeof typeUrls)[keyof typeof typeUrls]) =>
    sets.flatMap((set) => [...set.all(type).values()].map(({ name }) => name))
  const clusters = namesOf(typeUrls.cluster).filter((name) => name.startsWith('outbound|'))
  expect(namesOf(typeUrls.endpoint).toSorted()).toEqual(clusters.toSorted())
  expect(namesOf(typeUrls.virtualHost)).toHaveLength(clusters.length)
  return clusters.map((name) => name.split('|')[3]?.split('.')[0] ?? '').toSorted()
}

test.each<[string, string[], string[]]>([
  ['no Sidecar', [], ['a', 'b', 'c', 'ext']],
  ['all', [sidecar('default', 's', egress('*/*'))], ['a', 'b', 'c', 'ext']],
  ['its own namespace', [sidecar('default', 's', egress('./*'))], ['a', 'b']],
  ['another namespace', [sidecar('default', 's', egress('prod/*'))], ['c', 'ext']],
  ['a host of any namespace', [sidecar('default', 's', egress('*/ext.example'))], ['ext']],
  ['hosts below a domain', [sidecar('default', 's', egress('*/*.svc.cluster.local'))], ['a', 'b', 'c']],
  ['nothing', [sidecar('default', 's', egress('~/*'))], []],
  ['all but a namespace', [sidecar('default', 's', egress('*/*', '~prod/*'))], ['a', 'b']],
  ['all but a host', [sidecar('default', 's', egress('*/*', '~/b.default.svc.cluster.local'))], ['a', 'c', 'ext']],
  ['what the root namespace says', [sidecar('atoll-system', 's', egress('prod/*'))], ['c', 'ext']],
  ['its own namespace, of which the root namespace speaks', [sidecar('atoll-system', 's', egress('./*'))], ['a', 'b']],
  [
    'what its namespace says, not the root namespace',
    [sidecar('atoll-system', 'r', egress('prod/*')), sidecar('default', 's', egress('./*'))],
    ['a', 'b'],
  ],
  [
    'what selects it, not what is for the namespace',
    [
      sidecar('default', 'all', egress('./*')),
      sidecar('default', 'other', `{workloadSelector: {labels: {app: other}}, egress: [{hosts: ['~/*']}]}`),
      sidecar('default', 'own', `{workloadSelector: {labels: {app: client}}, egress: [{hosts: [prod/*]}]}`),
    ],
    ['c', 'ext'],
  ],
])('a proxy has what its Sidecar names, and nothing else: %s', (_, sidecars, expected) => {
  expect(compile(...sidecars)).toEqual(expected)
})

/** The names of the captured ports' listeners of a client whose Sidecar has an egress listener of an address's own. */
const compileCaptured = (restHosts: string) => {
  const { store, proxies } = readScene(`
about: ''
services:
  - {host: known, namespace: prod, ports: [tcp:9000]}
workloads:
  client-1: {address: 127.0.77.1, capture: transparent}
config:
  - apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: routed, namespace: default}
    spec: {hosts: [routed.example], http: [{directResponse: {status: 418}}]}
${sidecar('default', 's', `{egress: [{port: {number: 80, protocol: HTTP, name: http}, bind: 10.0.0.5, hosts: [./*]}, {hosts: ['${restHosts}']}]}`)}
proxies: [sidecar/default/client-1]
`)
  const sets = proxies.flatMap((proxy) => createCompiler(store).attach(proxy).sets)
  return sets.flatMap((set) => [...set.all(typeUrls.listener).keys()]).filter((name) => name.endsWith('_80'))
}

test.each<[string, string, string[]]>([
  ['where they are routed', './*', ['0.0.0.0_80', 'outbound_10.0.0.5_80']],
  ['not where only a listener of its own address has them', 'prod/*', ['outbound_10.0.0.5_80']],
])('hosts that no service has take captured connections to port 80 %s', (_, restHosts, expected) => {
  expect(compileCaptured(restHosts).toSorted()).toEqual(expected)
})
