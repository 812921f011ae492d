import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { countReads } from '#test/mesh/count-reads.ts'
import type { ConfigObject } from '../config-object.ts'
import { defaultMeshConfig } from '../config/mesh-config.ts'
import { analyze } from './analyze.ts'
import { toAnalyzedObjects } from './analyzed-objects.ts'
import type { KnownWorkload } from './known-mesh.ts'
import { findWorkloadProblems } from './workload-checks.ts'

const apiVersions: Readonly<Record<string, string>> = {
  Service: 'v1',
  EnvoyFilter: 'networking.istio.io/v1alpha3',
  Telemetry: 'telemetry.istio.io/v1',
  PeerAuthentication: 'security.istio.io/v1',
  RequestAuthentication: 'security.istio.io/v1',
  AuthorizationPolicy: 'security.istio.io/v1',
}
const object = (kind: string, name: string, spec: string, namespace = 'shop'): ConfigObject => ({
  apiVersion: apiVersions[kind] ?? 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace },
  spec: parse(spec) as Record<string, unknown>,
})
const web: KnownWorkload = { namespace: 'shop', labels: { app: 'web', version: 'v1' } }
const summary = (workloads: readonly KnownWorkload[] | undefined, ...objects: ConfigObject[]) =>
  analyze(objects, { domainSuffix: 'cluster.local', hasHost: () => true, ...(workloads && { workloads }) }).map(
    ({ code, object: of, path }) => `${code} ${of?.kind} ${of?.name} ${path}`,
  )
const service = (name: string, ports: string, selector = '{app: web}') =>
  object('Service', name, `{selector: ${selector}, ports: ${ports}}`)
const http = '[{name: http, port: 80}]'

it('finds selectors and subsets that no workload has the labels of', () => {
  const objects = [
    service('web', http),
    service('gone', http, '{app: gone}'),
    object('Sidecar', 'a', '{workloadSelector: {labels: {app: gone}}, egress: [{hosts: ["./*"]}]}'),
    object('Sidecar', 'b', '{workloadSelector: {labels: {app: web}}, egress: [{hosts: ["./*"]}]}', 'other'),
    object(
      'Gateway',
      'g',
      '{selector: {istio: none}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [a.org]}]}',
    ),
    object(
      'DestinationRule',
      'web',
      '{host: web, workloadSelector: {matchLabels: {app: gone}}, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}, {name: here, labels: {topology.istio.io/cluster: here, version: v1}}]}',
    ),
    object('Telemetry', 'of-web', '{selector: {matchLabels: {app: web}}}'),
    object('Telemetry', 'of-gone', '{selector: {matchLabels: {app: gone}}}'),
    object(
      'Telemetry',
      'of-edge',
      '{targetRefs: [{kind: Service, name: web}, {group: gateway.networking.k8s.io, kind: Gateway, name: edge}]}',
    ),
    ...['shop', 'other', defaultMeshConfig.rootNamespace].map((namespace) =>
      object(
        'EnvoyFilter',
        `in-${namespace}`,
        '{workloadSelector: {labels: {app: web}}, configPatches: [{applyTo: CLUSTER, patch: {operation: REMOVE}}]}',
        namespace,
      ),
    ),
  ]
  const { rootNamespace } = defaultMeshConfig
  for (const kind of ['PeerAuthentication', 'RequestAuthentication', 'AuthorizationPolicy'])
    objects.push(
      object(kind, 'of-web', '{selector: {matchLabels: {app: web}}}'),
      object(kind, 'of-gone', '{selector: {matchLabels: {app: gone}}}'),
      object(kind, 'of-all', '{selector: {matchLabels: {app: web}}}', rootNamespace),
      object(kind, 'of-none', '{selector: {matchLabels: {app: gone}}}', rootNamespace),
    )
  objects.push(
    object(
      'AuthorizationPolicy',
      'of-edge',
      '{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]}',
    ),
  )
  expect(summary([web], ...objects)).toEqual([
    'selects_nothing Sidecar a spec.workloadSelector',
    'selects_nothing Sidecar b spec.workloadSelector',
    'selects_nothing Service gone spec.selector',
    'selects_nothing DestinationRule web spec.workloadSelector',
    'selects_nothing EnvoyFilter in-other spec.workloadSelector',
    'selects_nothing Telemetry of-gone spec.selector',
    'selects_nothing Telemetry of-edge spec.targetRefs[1]',
    'selects_nothing PeerAuthentication of-gone spec.selector',
    'selects_nothing RequestAuthentication of-gone spec.selector',
    'selects_nothing RequestAuthentication of-none spec.selector',
    'selects_nothing AuthorizationPolicy of-gone spec.selector',
    'selects_nothing AuthorizationPolicy of-none spec.selector',
    'selects_nothing AuthorizationPolicy of-edge spec.targetRefs[0]',
    'selects_nothing Gateway g spec.selector',
    'selects_nothing DestinationRule web spec.subsets[1].labels',
    'ineffective PeerAuthentication of-all spec.selector',
    'ineffective PeerAuthentication of-none spec.selector',
  ])
  expect(summary(undefined, ...objects)).toEqual([
    'ineffective PeerAuthentication of-all spec.selector',
    'ineffective PeerAuthentication of-none spec.selector',
  ])
})
it('finds hosts of Sidecars that take no service and no VirtualService', () => {
  const taken = [
    './*',
    '*/*',
    '~/gone.org',
    'istio-system/*',
    './web.shop.svc.cluster.local',
    '*/*.shop.svc.cluster.local',
  ]
  const more = ['routes/*', '*/a.out.org', './known.org', 'none/*']
  const unknown = ['./gone.shop.svc.cluster.local', '*/*.gone.org', 'shop/r.org']
  const ofOthers = ['*/a.none.svc.cluster.local']
  const hosts = [...taken, ...more, ...unknown, ...ofOthers]
  const objects = [
    service('web', http),
    object('Sidecar', 'a', `{egress: [{hosts: ${JSON.stringify(hosts)}}]}`),
    object(
      'ServiceEntry',
      'out',
      '{hosts: ["*.out.org"], resolution: NONE, ports: [{number: 80, name: a, protocol: HTTP}]}',
    ),
    object(
      'VirtualService',
      'r',
      '{hosts: [r.org], http: [{route: [{destination: {host: web.shop.svc.cluster.local}}]}]}',
      'routes',
    ),
  ]
  const idle = (lookedIn: 'objects' | 'clusters', workloads?: readonly KnownWorkload[]) =>
    analyze(objects, {
      domainSuffix: 'cluster.local',
      hasHost: (host) => host === 'known.org',
      lookedIn,
      ...(workloads && { workloads }),
    }).flatMap(({ code, path }) => (code === 'selects_nothing' ? [path.replace('spec.egress[0].', '')] : []))
  expect(idle('objects', [web])).toEqual(['hosts[10]', 'hosts[11]', 'hosts[12]'])
  expect(idle('clusters', [web])).toEqual(['hosts[10]', 'hosts[12]', 'hosts[13]'])
  expect(idle('objects')).toEqual([])
})
it('finds Services that say different protocols of one port of a workload', () => {
  const plain = service('plain', '[{name: tcp, port: 81, targetPort: 80}]')
  expect(summary([web], service('web', http), plain)).toEqual([
    'ambiguous Service web spec.ports[0]',
    'ambiguous Service plain spec.ports[0]',
  ])
  expect(summary([web], service('web', http), service('other', '[{name: http-a, port: 81, targetPort: 80}]'))).toEqual(
    [],
  )
  const elsewhere = service('elsewhere', '[{name: tcp, port: 80}]', '{app: db}')
  const db = { namespace: 'shop', labels: { app: 'db' } }
  expect(summary([web, db], service('web', http), elsewhere)).toEqual([])
  for (const unselective of ['{', '{selector: {}, ', '{type: ExternalName, externalName: db.example.org, ']) {
    const legacy = object('Service', 'legacy', `${unselective}ports: [{name: tcp, port: 80}]}`)
    expect(summary([web], service('web', http), legacy)).toEqual([])
  }
})
it('finds Sidecars for the same workload', () => {
  const sidecar = (name: string, labels: string) =>
    object('Sidecar', name, `{workloadSelector: {labels: ${labels}}, egress: [{hosts: ["./*"]}]}`)
  const other = { namespace: 'shop', labels: { app: 'web', version: 'v2' } }
  expect(summary([web, other], sidecar('a', '{app: web}'), sidecar('b', '{version: v1}'))).toEqual([
    'conflict Sidecar a spec.workloadSelector',
    'conflict Sidecar b spec.workloadSelector',
  ])
  expect(summary([web, other], sidecar('a', '{version: v2}'), sidecar('b', '{version: v1}'))).toEqual([])
})
it('finds ports of Gateways that no Service of their workloads leads to', () => {
  const server = (number: number) => `{port: {number: ${number}, name: p${number}, protocol: HTTP}, hosts: [a.org]}`
  const gatewayFor = (labels: string) =>
    object('Gateway', 'g', `{selector: ${labels}, servers: [${[80, 8080, 81].map(server).join()}]}`)
  const gateway = gatewayFor('{app: web}')
  const ports = '[{name: http, port: 80, targetPort: 8080}]'
  for (const each of [gateway, gatewayFor('{app: web, topology.istio.io/cluster: east}')])
    expect(summary([web], each, service('web', ports))).toEqual([
      'dangling_reference Gateway g spec.servers[2].port.number',
    ])
  expect(summary([web], gateway, service('other', http, '{version: v1}'), service('web', ports)).length).toBe(1)
  expect(summary([web], gateway)).toEqual([])
})
it('finds destinations whose port is not there, or one of several', () => {
  const route = (destination: string, host = 'front') =>
    object('VirtualService', 'v', `{hosts: [${host}], http: [{route: [{destination: ${destination}}]}]}`)
  const two = service('web', '[{name: http, port: 80}, {name: http-b, port: 81}]')
  const path = 'VirtualService v spec.http[0].route[0].destination.port'
  expect(summary(undefined, two, route('{host: web}'))).toEqual([`ambiguous ${path}`])
  expect(summary(undefined, two, route('{host: web}', 'web'))).toEqual([])
  expect(summary(undefined, two, route('{host: web, port: {number: 81}}'))).toEqual([])
  expect(summary(undefined, two, route('{host: web, port: {number: 82}}'))).toEqual([
    `dangling_reference ${path}.number`,
  ])
})
it('finds ServiceEntries that give one port of a host different protocols', () => {
  const entry = (name: string, protocol: string, exportTo: string) =>
    object(
      'ServiceEntry',
      name,
      `{hosts: [a.org], resolution: DNS, exportTo: ['${exportTo}'], ports: [{number: 80, name: p, protocol: ${protocol}}]}`,
      name,
    )
  const conflicts = (...entries: ConfigObject[]) =>
    summary(undefined, ...entries).filter((each) => each.endsWith('protocol'))
  expect(conflicts(entry('one', 'HTTP', '*'), entry('two', 'GRPC', '.'))).toEqual([
    'conflict ServiceEntry one spec.ports[0].protocol',
    'conflict ServiceEntry two spec.ports[0].protocol',
  ])
  expect(conflicts(entry('one', 'HTTP', '*'), entry('two', 'http', '*'))).toEqual([])
  expect(conflicts(entry('one', 'HTTP', '.'), entry('two', 'GRPC', '.'))).toEqual([])
})
it('costs work in proportion to the Services and workloads of a namespace', () => {
  const readsOf = (count: number): number => {
    const ids = Array.from({ length: count }, (_, id) => `${id}`)
    const objects = toAnalyzedObjects(
      ids.flatMap((id) => {
        const selector = `{tier: back, id: '${id}'}`
        const gateway = `{selector: ${selector}, servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [a.org]}]}`
        return [
          service(`web-${id}`, id === '0' ? '[{name: tcp, port: 80}]' : http, selector),
          service(`tcp-${id}`, '[{name: tcp, port: 80}]', `{tier: back, id: 'other-${id}'}`),
          object('Gateway', `g-${id}`, gateway),
          object('DestinationRule', `web-${id}`, `{host: web-${id}, subsets: [{name: v1, labels: {id: '${id}'}}]}`),
        ]
      }),
    )
    const workloads = ids.flatMap((id) =>
      [id, `other-${id}`].map((each) => ({ namespace: 'shop', labels: { tier: 'back', id: each } })),
    )
    return countReads({ objects, workloads }, (counted) => {
      const known = { domainSuffix: 'cluster.local', hasHost: () => true, workloads: counted.workloads }
      expect(findWorkloadProblems(counted.objects, known)).toEqual([])
    })
  }
  expect(readsOf(100)).toBeLessThan(2.5 * readsOf(50))
})
