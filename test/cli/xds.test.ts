import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { meshSettings } from '#mesh/settings.ts'
import { createOfflineView } from '#cli/xds/offline-view.ts'
import { parseProxySpec } from '#cli/xds/proxy-spec.ts'
import { runFake } from './fake-io.ts'

let folder: string
let file: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'atoll-xds-'))
  file = join(folder, 'mesh.yaml')
  writeFileSync(
    file,
    `apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews-v1}
spec:
  template:
    metadata: {labels: {app: reviews, version: v1}}
    spec: {serviceAccountName: reviews, containers: [{name: app, image: reviews}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}}], timeout: 7s}]}
`,
  )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Shown {
  readonly listeners: readonly { readonly name: string }[]
  readonly routes: readonly { readonly name: string; readonly virtual_hosts: readonly unknown[] }[]
  readonly clusters: readonly { readonly name: string }[]
  readonly endpoints: readonly unknown[]
  readonly problems: readonly unknown[]
}

const xds = async (proxy: string): Promise<Shown> => {
  const { code, stdout, stderr } = await runFake(['xds', file, '--proxy', proxy, '-o', 'json'])
  if (code !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Shown
}
const namesOf = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name)

it('compiles files for a pod of a manifest: listeners, whole route configurations, clusters, endpoints', async () => {
  const { listeners, routes, clusters, endpoints, problems } = await xds('sidecar/default/reviews-v1')
  expect(problems).toEqual([])
  expect(namesOf(listeners)).toEqual(['0.0.0.0_9080', 'health', 'virtualInbound', 'virtualOutbound'])
  expect(namesOf(clusters)).toContain('inbound|9080||')
  const [ours] = routes.find(({ name }) => name === '9080')?.virtual_hosts ?? []
  expect(ours).toMatchObject({
    domains: expect.arrayContaining(['reviews', 'reviews.default.svc.cluster.local', '10.96.0.1']) as unknown,
    routes: [{ route: { cluster: 'outbound|9080||reviews.default.svc.cluster.local', timeout: '7s' } }],
  })
  expect(JSON.stringify(routes)).not.toContain('vhds')
  expect(endpoints).toMatchObject([
    {
      cluster_name: 'outbound|9080||reviews.default.svc.cluster.local',
      endpoints: [
        { lb_endpoints: [{ endpoint: { address: { socket_address: { address: '10.244.0.1', port_value: 9080 } } } }] },
      ],
    },
  ])
})
it("compiles for a mesh with these settings, wherever Istio's are kept", async () => {
  const settings = join(folder, 'istio.yaml')
  const args = ['xds', file, '--proxy', 'sidecar/default/reviews-v1', '--mesh-config', settings, '-o', 'json']
  const meshConfig = 'outboundTrafficPolicy: {mode: REGISTRY_ONLY}'
  for (const text of [meshConfig, `spec: {meshConfig: {${meshConfig}}}`, `data: {mesh: '${meshConfig}'}`]) {
    writeFileSync(settings, text)
    const { stdout } = await runFake(args)
    expect((JSON.parse(stdout) as Shown).clusters.map(({ name }) => name)).not.toContain('PassthroughCluster')
  }
  writeFileSync(settings, 'outboundTrafficPolicy: {mode: SOME}')
  const { code, stderr } = await runFake(args)
  expect(code).toBe(7)
  expect(stderr).toContain('outboundTrafficPolicy.mode: must be one of ALLOW_ANY, REGISTRY_ONLY')
})
it('goes by the settings among the files, as the analysis does', async () => {
  const settings = join(folder, 'settings', 'config-map.yaml')
  mkdirSync(dirname(settings))
  const writeMode = (mode: string) =>
    writeFileSync(
      settings,
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio}\ndata: {mesh: 'outboundTrafficPolicy: {mode: ${mode}}'}`,
    )
  const args = ['xds', file, settings, '--proxy', 'sidecar/default/reviews-v1', '-o', 'json']
  writeMode('REGISTRY_ONLY')
  const { stdout, stderr } = await runFake(args)
  expect(namesOf((JSON.parse(stdout) as Shown).clusters)).not.toContain('PassthroughCluster')
  expect(stderr).toBe(`By the settings among the files: istio (${settings}:1)\n`)
  writeMode('SOME')
  const { code, ...refused } = await runFake(args)
  expect({ code, ...(JSON.parse(refused.stdout) as object) }).toMatchObject({
    code: 7,
    problems: [
      { code: 'invalid', class: 'schema', path: 'outboundTrafficPolicy.mode', text: expect.any(String) as unknown },
    ],
  })
})
it('describes a proxy that no file has: what its labels say counts', async () => {
  expect(namesOf((await xds('sidecar/default/other')).clusters)).not.toContain('inbound|9080||')
  const { listeners, clusters } = await xds('sidecar/default/other,labels.app=reviews,address=10.0.0.9,capture=none')
  expect(namesOf(clusters)).toContain('inbound|9080||')
  expect(namesOf(listeners)).toContain('inbound_10.0.0.9_9080')
})
it('shows a line for each thing to a person', async () => {
  const { stdout } = await runFake(['xds', file, '--proxy', 'sidecar/default/reviews-v1'])
  expect(stdout).toMatch(/^LISTENER +ADDRESS +CHAINS\n0\.0\.0\.0_9080 +0\.0\.0\.0:9080 /)
  expect(stdout).toMatch(/\noutbound\|9080\|\|reviews\.default\.svc\.cluster\.local +0: 1\n/)
})
it('tells a person that two sets of files differ, which is no error', async () => {
  const other = join(folder, 'other.yaml')
  writeFileSync(other, readFileSync(file, 'utf8').replace('7s', '8s'))
  const sides = ['--before', file, '--after', other]
  const args = ['xds', 'diff', ...sides, '--proxy', 'sidecar/default/reviews-v1', '--exit-code']
  const { code, stderr } = await runFake(args)
  expect({ code, stderr }).toEqual({ code: 3, stderr: 'There are differences\n' })
})
it.each([
  [['--proxy', 'sidecar/default'], 'sidecar/default is not the name of a proxy'],
  [['--proxy', 'router/default/a'], 'router/default/a is not the name of a proxy'],
  [['--proxy', 'sidecar/default/a,app=b'], 'sidecar/default/a,app=b has "app=b", which says nothing of a proxy'],
  [['--proxy', 'sidecar/default/a,capture=some'], 'has another capture than none or transparent'],
  [[], 'For which proxy?'],
])('refuses %s', async (args, message) => {
  const { code, stderr } = await runFake(['xds', file, ...args])
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})
it('compiles nothing of files with errors', async () => {
  const bad = join(folder, 'bad.yaml')
  writeFileSync(
    bad,
    'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec: {hosts: [a]}\n',
  )
  const { code, stdout, stderr } = await runFake(['xds', bad, '--proxy', 'sidecar/default/a'])
  expect({ code, stdout }).toEqual({ code: 7, stdout: '' })
  expect(stderr).toContain('VirtualService default/a')
})

it.each([
  ['sidecar/Bad_NS/web', '"Bad_NS": a namespace must be a DNS label'],
  ['sidecar/default/web,address=here', 'the address "here", which is no IP address'],
  ['sidecar/default/web,network=Bad_Name', '"Bad_Name": a network name must be a DNS label'],
  ['sidecar/default/web,serviceAccount=A', '"A": a name must be a DNS name'],
])('refuses %s', async (proxy, expected) => {
  const { code, stderr } = await runFake(['xds', file, '--proxy', proxy])
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(expected) as unknown })
})

it('looks at networks from that of the proxy, and tells which endpoints are on none that it knows', async () => {
  const path = join(folder, 'networks.yaml')
  const entry = (name: string, spec: string) =>
    `apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: ${name}}\nspec: {labels: {app: vm}, ${spec}}`
  writeFileSync(
    path,
    [
      entry('near', 'address: 10.1.1.2'),
      entry('east', 'address: 10.1.1.1, network: east'),
      entry('behind', 'network: west, serviceAccount: vm'),
      `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: vms}
spec:
  hosts: [vms.example]
  resolution: STATIC
  location: MESH_INTERNAL
  ports: [{number: 80, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: vm}}`,
    ].join('\n---\n'),
  )
  const look = async (proxy: string) => {
    const { code, stdout, stderr } = await runFake(['xds', path, '--proxy', proxy, '-o', 'json'])
    const { endpoints = [] } = JSON.parse(stdout) as Partial<Shown>
    expect(code).toBe(0)
    const untold = ['east', 'behind'].filter((name) => !stderr.includes(`WorkloadEntry default/${name} spec.network`))
    return { addresses: JSON.stringify(endpoints).match(/10\.1\.1\.\d/g), untold }
  }
  expect(await look('sidecar/default/web')).toEqual({ addresses: ['10.1.1.2'], untold: [] })
  const fromEast = { addresses: ['10.1.1.1', '10.1.1.2'], untold: ['east'] }
  expect(await look('sidecar/default/web,network=east')).toEqual(fromEast)
  expect(await look('sidecar/default/east')).toEqual(fromEast)
})

it('gives a proxy the account of its workload, or the one that is described', () => {
  const manifest = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web' },
    spec: { serviceAccountName: 'shop', containers: [] },
  }
  const files = { objects: [], manifests: [manifest], namespace: 'default' }
  const settings = meshSettings.parse({ meshId: 'offline', meshName: 'offline', trustDomain: 'offline.example' })
  const accountsOf = (spec: string) => {
    const { view, proxy } = createOfflineView(files, parseProxySpec(spec), settings)
    return [proxy.serviceAccount, view.workload('default/web')?.serviceAccount]
  }
  expect(accountsOf('sidecar/default/web')).toEqual(['shop', 'shop'])
  expect(accountsOf('sidecar/default/web,serviceAccount=other')).toEqual(['other', 'other'])
  expect(accountsOf('sidecar/default/new')).toEqual(['default', 'shop'])
})

it('tells of warnings, and shows listeners that have no address', async () => {
  const odd = join(folder, 'odd.yaml')
  writeFileSync(
    odd,
    `apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: internal}
spec:
  configPatches:
  - applyTo: LISTENER
    match: {context: SIDECAR_OUTBOUND}
    patch: {operation: ADD, value: {name: internal, internal_listener: {}, filter_chains: [{filters: [{name: envoy.filters.network.tcp_proxy, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: a, cluster: BlackHoleCluster}}]}]}}
`,
  )
  const settings = join(folder, 'istio-cm.yaml')
  writeFileSync(
    settings,
    `data: {mesh: "{enableTracing: true, trustDomain: cluster.local}", meshNetworks: "networks: {a: {}}"}\n`,
  )
  const args = ['xds', file, odd, '--proxy', 'sidecar/default/reviews-v1', '--mesh-config', settings]
  const { code, stdout, stderr } = await runFake(args)
  expect(code).toBe(0)
  expect(stdout).toMatch(/^internal +- +1$/m)
  expect(stderr).toContain('enableTracing: nothing follows from it')
  expect(stderr).toContain(`${settings}:1 data.meshNetworks: is left out`)
  expect(stderr).not.toContain('trustDomain')
})
it('has the trust domain of the settings, unless another is given', async () => {
  const settings = join(folder, 'trust-domain.yaml')
  writeFileSync(settings, 'trustDomain: acme.org')
  const args = ['xds', file, '--proxy', 'sidecar/default/reviews-v1', '--mesh-config', settings, '-o', 'json']
  expect((await runFake(args)).stdout).toContain('.clusters.acme.org"')
  const { code, stderr } = await runFake([...args, '--trust-domain', 'other.org'])
  expect({ code, stderr }).toEqual({ code: 7, stderr: expect.stringContaining(`${settings}:1 MeshConfig`) as unknown })
})

it('says that it guesses what a workload is that the files do not have', async () => {
  const guess = 'taken as a pod without labels'
  const noteOf = async (proxy: string) => (await runFake(['xds', file, '--proxy', proxy])).stderr
  expect(await noteOf('sidecar/default/web')).toBe(`No workload default/web in these files: ${guess}\n`)
  expect(await noteOf('sidecar/default/web,labels.app=web')).toBe('')
  expect(await noteOf('sidecar/default/reviews-v1')).toBe('')
})

it('tells what is left out as analyze does, in the order of the files', async () => {
  const odd = join(folder, 'left-out.yaml')
  writeFileSync(
    odd,
    `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: lost}
spec: {hosts: [lost.example.com], http: [{route: [{destination: {host: reviews, subset: none}}]}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: lost}
spec: {hosts: [lost.example.com], resolution: NONE, ports: [{name: http, number: 80, protocol: HTTP}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: lost}
spec: {host: lost.example.com, trafficPolicy: {outlierDetection: {consecutiveErrors: 5}}}
`,
  )
  const args = ['xds', odd, file, '--proxy', 'sidecar/default/reviews-v1']
  const { stderr } = await runFake(args)
  expect(stderr.split('\n')).toEqual([
    `warning (ineffective) ${odd}:1 VirtualService default/lost: routes to subset none of reviews.default.svc.cluster.local, which no DestinationRule defines`,
    expect.stringContaining(`warning (ineffective) ${odd}:14 DestinationRule default/lost spec.`),
    '',
  ])
  const { problems } = JSON.parse((await runFake([...args, '-o', 'json'])).stdout) as Shown
  expect(problems[0]).toEqual({
    severity: 'warning',
    code: 'ineffective',
    class: 'semantic',
    object: { kind: 'VirtualService', namespace: 'default', name: 'lost' },
    path: '',
    text: 'routes to subset none of reviews.default.svc.cluster.local, which no DestinationRule defines',
    place: `${odd}:1`,
  })
})
