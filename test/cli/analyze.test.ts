import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { problemClasses, problemCode } from '#mesh/problem.ts'
import { meshSettings } from '#mesh/settings.ts'
import { runFake } from './fake-io.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'atoll-analyze-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const write = (name: string, ...documents: string[]): string => {
  const file = join(folder, name)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, documents.join('\n---\n'))
  return file
}

const virtualService = (host: string, spec = '') => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${host}}
spec: {hosts: [${host}], http: [{route: [{destination: {host: ${host}}}]}]${spec}}`
const service = (name: string) => `apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: ${name}}, ports: [{port: 80, name: http}]}`
const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: []}}}`
const configMap = (...lines: string[]) => `apiVersion: v1
kind: ConfigMap
metadata: {name: istio}
data:
  mesh: |-
${lines.map((line) => `    ${line}`).join('\n')}`

const ok = (body: unknown) => ({ status: 200, body })

/** Runs `atoll analyze … -o json`. */
const analyze = async (...args: string[]) => {
  const run = await runFake(['analyze', ...args, '-o', 'json'])
  return { ...run, messages: run.stdout === '' ? undefined : (JSON.parse(run.stdout) as unknown) }
}

describe('atoll analyze -o json', () => {
  it('is an empty list, and 0, where nothing is wrong, or nobody wants to be told', async () => {
    const metadata = '{name: b, annotations: {galley.istio.io/analyze-suppress: "*"}}'
    const silent = virtualService('b').replace('{name: b}', metadata)
    const { code, messages } = await analyze(write('good.yaml', service('web'), virtualService('web'), silent))
    expect({ code, messages }).toEqual({ code: 0, messages: [] })
  })
  it('tells a person which objects it could look no further at', async () => {
    const wrong = virtualService('web', ', hsots: []').replace('host: web', 'host: gone')
    const unknown = 'apiVersion: networking.istio.io/v1\nkind: Sidecr\nmetadata: {name: a}'
    const { stdout } = await runFake(['analyze', write('unfinished.yaml', wrong, unknown, virtualService('web2'))])
    expect(stdout).toMatch(
      /\nNot checked further until their own errors are mended: VirtualService default\/web\n3 objects, 2 errors/,
    )
    expect((await runFake(['analyze', write('absent.yaml', virtualService('web'))])).stdout).not.toContain('further')
  })
  it('tells severity, code, class, object, path and text, and exits with 0 after warnings', async () => {
    const file = write('absent.yaml', virtualService('web'))
    const { code, messages } = await analyze(file)
    expect({ code, messages }).toEqual({
      code: 0,
      messages: [
        {
          severity: 'warning',
          code: 'dangling_reference',
          class: 'reference',
          object: { kind: 'VirtualService', namespace: 'default', name: 'web' },
          path: 'spec.http[0].route[0].destination.host',
          text: 'no Service or ServiceEntry here is web.default.svc.cluster.local: a cluster may offer it',
          place: `${file}:4`,
        },
      ],
    })
  })
  it('exits with 1 after an error, and looks at all other objects', async () => {
    const { code, messages } = await analyze(
      write('bad.yaml', virtualService('web', ', nonsense: 1'), virtualService('other'), deployment),
    )
    expect(code).toBe(1)
    expect(messages).toMatchObject([
      { severity: 'error', code: 'unknown_field', class: 'schema', path: 'spec.nonsense' },
      { severity: 'warning', class: 'reference', object: { name: 'other' } },
    ])
  })
  it('takes what can not be read as an error of the text', async () => {
    const { code, messages } = await analyze(write('syntax.yaml', 'a: ]'))
    expect(code).toBe(1)
    expect(messages).toMatchObject([{ severity: 'error', code: 'syntax', class: 'schema', object: null, path: '' }])
  })
  it('takes an object without a name, and one from -f', async () => {
    const file = write('unnamed.yaml', service('web'), virtualService('web').replace('metadata: {name: web}', ''))
    expect(await analyze('-f', file)).toMatchObject({ code: 0, messages: [] })
  })
  it('says of which object without a name it speaks by its place', async () => {
    const file = write('nameless.yaml', virtualService('web', ', nonsense: 1').replace('{name: web}', '{nmae: web}'))
    const { stdout } = await runFake(['analyze', file])
    expect(stdout).toContain(`${file}:4 VirtualService default/(no name) spec.nonsense: `)
  })
  it.each([
    ['a file that is not there', ['/nowhere.yaml']],
    ['an option that it has not', ['--nonsense']],
    ['no files, and no plane', []],
  ])('exits with 2 when it can not run: %s', async (_, args) => {
    expect(await analyze(...args)).toMatchObject({ code: 2, stdout: '' })
  })
  it.each([
    [['--with-mesh'], 'Which files --with-mesh?'],
    [['--domain-suffix', 'mesh.local'], 'A mesh has its own --domain-suffix'],
  ])('could not run with %j alone', async (args, expected) => {
    const { code, stderr } = await analyze(...args)
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(expected) as unknown })
  })
  it('says what it leaves out', async () => {
    const { code, stdout, stderr } = await runFake(['analyze', write('manifests.yaml', deployment, service('web'))])
    expect({ code, stdout }).toEqual({ code: 0, stdout: '1 object, 0 errors, 0 warnings\n' })
    expect(stderr).toBe('Not checked themselves, for they are no configuration of a mesh: Deployment web\n')
  })
  it('looks for certificates among the Secrets of the files, and not where there are none', async () => {
    const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front}
spec: {selector: {app: web}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.org], tls: {mode: SIMPLE, credentialName: a}}]}`
    const secret = (name: string) => `apiVersion: v1\nkind: Secret\nmetadata: {name: ${name}}`
    const pathsWith = async (...secrets: string[]) => {
      const { messages } = await analyze(write('secrets.yaml', gateway, deployment, ...secrets))
      return (messages as { readonly path: string }[]).map(({ path }) => path)
    }
    expect(await pathsWith()).toEqual([])
    expect(await pathsWith(secret('a'))).toEqual([])
    expect(await pathsWith(secret('b'))).toEqual(['spec.servers[0].tls.credentialName'])
    const certificate = 'apiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: c}\nspec: {secretName: a}'
    for (const each of [[secret('b, namespace: elsewhere')], [secret('b'), certificate]])
      expect(await pathsWith(...each)).toEqual([])
  })
  it("says what the mesh's settings are for", async () => {
    const { code, stderr } = await runFake([
      'analyze',
      write('settings.yaml', configMap('trustDomain: a'), service('web')),
    ])
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'Settings, for "atoll mesh set --mesh-config": ConfigMap istio\n',
    })
  })
  it('checks settings, each with its line', async () => {
    const operator = `apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: op}
spec:
  meshConfig:
    connectTimeout: soon`
    const networks = `\n  meshNetworks: 'networks: {a: {}}'`
    const file = write('checked.yaml', service('web'), configMap('accessLogFile: /a', 'b: 1') + networks, operator)
    const plain = write('plain.yaml', '{ingressClass: a}')
    const { code, messages } = await analyze(file, '--mesh-config', plain)
    expect(code).toBe(1)
    expect(messages).toMatchObject([
      { code: 'unsupported', object: { kind: 'MeshConfig', name: plain }, path: 'ingressClass', place: `${plain}:1` },
      { code: 'ineffective', object: { kind: 'ConfigMap' }, path: 'data.meshNetworks', place: `${file}:13` },
      { code: 'unknown_field', object: { kind: 'MeshConfig', name: 'istio' }, path: 'b', place: `${file}:12` },
      { code: 'invalid', object: { name: 'op' }, path: 'connectTimeout', place: `${file}:20` },
    ])
  })
  it('tells settings that can not be read from objects', async () => {
    const file = write(
      'unread.yaml',
      configMap('a: ['),
      'apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec: {meshConfig: 1}',
    )
    const { code, stdout, messages } = await analyze(file)
    expect({ code, stdout: stdout === '' }).toEqual({ code: 1, stdout: false })
    expect(messages).toMatchObject([
      { code: 'syntax', object: null, place: `${file}:6` },
      { code: 'syntax', object: { kind: 'IstioOperator' }, path: 'spec.meshConfig', place: `${file}:10` },
    ])
    expect(await analyze('--mesh-config', file, file)).toMatchObject({ code: 2, stdout: '' })
    const plain = write('unread-settings.yaml', 'a: [')
    expect(await analyze('--mesh-config', plain, write('fine.yaml', service('web')))).toMatchObject({
      code: 1,
      messages: [{ code: 'syntax', class: 'schema', object: null, place: `${plain}:2` }],
    })
    expect(await analyze('--mesh-config', '/nowhere.yaml', file)).toMatchObject({ code: 2, stdout: '' })
  })
  it('takes for settings what Istio calls so, and any name of a file that is named for them', async () => {
    const dashboard = configMap('title: Mesh').replace('name: istio', 'name: grafana')
    const chart = 'apiVersion: example.org/v1\nkind: Chart\nmetadata: {name: a}\nspec: {meshConfig: {a: 1}}'
    const revision = configMap('a: 1').replace('name: istio', 'name: istio-canary')
    const file = write('strange.yaml', dashboard, chart)
    expect(await analyze(file)).toMatchObject({ code: 0, messages: [] })
    expect(await analyze(write('revision.yaml', dashboard, revision))).toMatchObject({
      messages: [{ object: { kind: 'MeshConfig', name: 'istio-canary' }, path: 'a' }],
    })
    expect(await analyze('--mesh-config', write('dashboard.yaml', dashboard), file)).toMatchObject({
      messages: [{ object: { name: 'grafana' }, path: 'title' }],
    })
    const both = write('both.yaml', dashboard, configMap('b: 1'))
    expect(await analyze('--mesh-config', both, file)).toMatchObject({ messages: [{ path: 'b' }] })
  })
  it('does not take the file of the settings for an object, nor for settings a second time', async () => {
    for (const text of ['a: 1', configMap('a: 1'), 'a: [']) {
      const settings = write('own/settings.yaml', text)
      write('own/web.yaml', service('web'))
      const { messages, stderr } = await analyze(join(folder, 'own'), '--mesh-config', relative('.', settings))
      expect({ count: (messages as unknown[]).length, stderr }).toEqual({
        count: 1,
        stderr: expect.not.stringContaining('Of 2') as unknown,
      })
    }
    const mixed = write('mixed.yaml', configMap('a: 1'), virtualService('web'))
    const { messages } = await analyze(mixed, '--mesh-config', mixed)
    expect(messages).toMatchObject([{ path: 'a' }, { code: 'dangling_reference' }])
  })
  it('judges objects by the settings: those of their own file, then those among the files', async () => {
    const rule = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: all, namespace: istio-system}
spec: {host: "*.local"}`
    const found = write('root.yaml', rule, configMap('rootNamespace: istio-system'))
    expect(await analyze(write('rule.yaml', rule))).toMatchObject({ messages: [{ path: 'metadata.namespace' }] })
    expect(await analyze(found)).toMatchObject({ code: 0, messages: [] })
    const plain = write('other-root.yaml', 'rootNamespace: other')
    const { messages, stderr } = await analyze(found, '--mesh-config', plain)
    expect(messages).toMatchObject([{ text: expect.stringMatching(/^the mesh's root namespace is other/) as unknown }])
    expect(stderr).toContain(`Of 2 settings those of ${plain} count\n`)
    const twice = await analyze(write('again.yaml', configMap('rootNamespace: other')), found)
    expect(twice.stderr).toContain(`Of 2 settings those of istio (${join(folder, 'again.yaml')}:1) count\n`)
  })
  it('counts what is wrong among the objects', async () => {
    const wrong = virtualService('web', ', nonsense: 1')
    const { stdout } = await runFake(['analyze', write('count.yaml', wrong, service('web'), deployment)])
    expect(stdout).toContain('\n2 objects, 1 error, 0 warnings\n')
  })
  it('counts all that is wrong, shows a person the first of it, and scripts all', async () => {
    const many = Array.from({ length: 120 }, (_, index) => virtualService(`v${index}`, ', a: 1, b: 2'))
    const file = write('many.yaml', ...many)
    const { stdout } = await runFake(['analyze', file])
    expect(stdout).toMatch(
      /\nand 140 more; -o json shows all\nNot checked further .* and 115 more\n120 objects, 240 errors, 0 warnings\n$/,
    )
    expect((await analyze(file)).messages).toHaveLength(240)
  })
  it('reads what is too large to be applied at once', async () => {
    const text = JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a' },
      data: { a: 'a'.repeat(5e6) },
    })
    const list = Array.from({ length: 2_001 }, (_, index) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: `s${index}` },
    }))
    const file = write('large.json', text + JSON.stringify(list))
    expect(await analyze(file)).toMatchObject({ code: 0, messages: [] })
  })
  it('could not run with more than it reads, and names the file', async () => {
    const many = write('too-many.json', `[${Array.from({ length: 50_001 }, () => '{}').join(',\n')}]`)
    expect(await analyze(many)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(`${many}:50001 has 50001 objects, more than 50000`) as unknown,
    })
    const large = write('too-large.yaml', '')
    truncateSync(large, 64 * 1024 * 1024 + 1)
    expect(await analyze(large)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(`${large} is too large: it has 67108865 bytes`) as unknown,
    })
  })
  it('reads JSON objects one after the other, and lists of one kind', async () => {
    const route = { hosts: ['web'], http: [{ route: [{ destination: { host: 'web' } }] }] }
    const object = (name: string) => ({ metadata: { name }, spec: { ...route, [name]: 1 } })
    const kind = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService' }
    const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ ...kind, ...object(name) }))
    const list = { ...kind, kind: 'VirtualServiceList', metadata: {}, items: [c, object('d')] }
    const file = write('one-after-the-other.json', [a, b, list].map((each) => JSON.stringify(each)).join('\n'))
    const { messages } = await analyze(file, write('web.yaml', service('web')))
    expect(messages).toMatchObject(
      [1, 2, 3, 3].map((line, index) => ({ path: `spec.${'abcd'.charAt(index)}`, place: `${file}:${line}` })),
    )
    const broken = write('second-broken.json', `${JSON.stringify(a)}\n{"kind": ]`)
    const places = ((await analyze(broken)).messages as readonly { readonly place: string }[]).map(({ place }) => place)
    expect(new Set(places)).toEqual(new Set([`${broken}:2`]))
  })
})

/** What no file alone can show: it takes a large text, a token, or several clusters. */
const withoutExample = ['too_large', 'forbidden', 'drift']
const examples = problemCode.options.filter((code) => !withoutExample.includes(code))

it.each(examples)('finds %s in the example of its page', async (code) => {
  const page = readFileSync(new URL(`../../docs/problems/${code}.md`, import.meta.url), 'utf8')
  const [, example = ''] = /^```yaml\n(.*?)^```$/ms.exec(page) ?? []
  const { messages } = await analyze(write(`${code}.yaml`, example))
  expect(messages).toContainEqual(expect.objectContaining({ code, class: problemClasses[code] }))
})

describe('atoll analyze --cluster', () => {
  const page = readFileSync(new URL('../../docs/problems/drift.md', import.meta.url), 'utf8')
  const [east = '', west = ''] = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, example = '']) => example)
  const clusters = (...texts: string[]) =>
    texts.flatMap((text, index) => ['--cluster', `${['east', 'west'][index]}=${write(`cluster-${index}.yaml`, text)}`])

  it('finds drift in the example of its page', async () => {
    const { code, messages } = await analyze(...clusters(east, west))
    const object = { kind: 'Service', namespace: 'shop', name: 'reviews' }
    const of = { severity: 'warning', code: 'drift', class: 'semantic', object, path: 'spec.ports' }
    const consequence = 'a cluster goes by what it says itself, and by the others where it says nothing'
    expect({ code, messages }).toEqual({
      code: 0,
      messages: [
        { ...of, text: `port 8080 is absent in east; http "http" in west: ${consequence}` },
        { ...of, text: `port 9080 is http "http" in east; tcp "tcp-admin" in west: ${consequence}` },
      ],
    })
  })
  it('knows the hosts of clusters, and what is wrong with their files', async () => {
    const file = write('route.yaml', virtualService('web'))
    expect(await analyze(file, ...clusters(service('web'), service('web')))).toMatchObject({ code: 0, messages: [] })
    const { code, messages } = await analyze(file, ...clusters(service('web').replace('port: 80', 'port: 0')))
    expect(code).toBe(1)
    expect(messages).toMatchObject([
      { code: 'invalid', place: `${join(folder, 'cluster-0.yaml')}:4` },
      { class: 'reference' },
    ])
  })
  it.each(['east', 'east=', '=x', 'east=/nowhere.yaml'])('exits with 2 for %s', async (cluster) => {
    expect(await analyze('--cluster', cluster)).toMatchObject({ code: 2, stdout: '' })
  })
})

describe('atoll analyze of a mesh', () => {
  const settings = meshSettings.parse({ meshId: 'm', meshName: 'prod', trustDomain: 'prod.test' })
  const stored = (name: string, spec: unknown) => ({
    key: `VirtualService/default/${name}`,
    object: {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name, namespace: 'default' },
      spec,
    },
    revision: 1,
    createdAt: '2026-01-01T00:00:00Z',
    updatedAt: '2026-01-01T00:00:00Z',
  })
  const offered = (name: string) => ({
    key: `default/${name}.default.svc.cluster.local`,
    namespace: 'default',
    hostname: `${name}.default.svc.cluster.local`,
    ports: [],
    location: 'mesh-internal',
    clusters: [],
  })
  const world = {
    env: { ATOLL_URL: 'https://plane.test', ATOLL_TOKEN: 'secret', ATOLL_MESH: 'prod' },
    answers: {
      'GET /v1/meshes/prod': ok({
        id: 'm',
        name: 'prod',
        settings,
        revision: 1,
        clusters: 1,
        createdAt: '2026-01-01T00:00:00Z',
      }),
      'GET /v1/meshes/prod/configuration': ok({
        nextCursor: null,
        items: [stored('web', { hosts: ['web'], http: [{ route: [{ destination: { host: 'gone' } }] }] })],
      }),
      'GET /v1/meshes/prod/services': ok({ items: [offered('web')], nextCursor: null }),
    },
  }

  it('judges what is there by what the clusters offer', async () => {
    const { code, stdout, stderr } = await runFake(['analyze', '-o', 'json'], world)
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject([
      { object: { name: 'web' }, text: expect.stringMatching(/^no cluster offers gone\./) as unknown },
    ])
  })
  it('tells where clusters say different things of one service', async () => {
    const drift = [{ code: 'drift', severity: 'warning', path: 'spec.ports', message: 'port 80 is …' }]
    const services = ok({ items: [{ ...offered('web'), drift }], nextCursor: null })
    const answers = { ...world.answers, 'GET /v1/meshes/prod/services': services }
    const { stdout } = await runFake(['analyze', '-o', 'json'], { ...world, answers })
    expect(JSON.parse(stdout)).toContainEqual(expect.objectContaining({ code: 'drift', class: 'semantic' }))
  })
  it("checks settings as the mesh's", async () => {
    const plain = write('foreign.yaml', 'trustDomain: acme.org')
    const trouble = { code: 'unsupported', path: 'trustDomain', place: `${plain}:1` }
    const { stdout } = await runFake(['analyze', '--mesh-config', plain, '-o', 'json'], world)
    expect(JSON.parse(stdout)).toMatchObject([trouble, { code: 'dangling_reference' }])
  })
  it('judges files among what is there', async () => {
    const file = write('rival.yaml', virtualService('web').replace('{name: web}', '{name: rival}'))
    const { stdout } = await runFake(['analyze', file, '--with-mesh', '-o', 'json'], world)
    expect(JSON.parse(stdout)).toMatchObject([
      { code: 'conflict', class: 'semantic', object: { name: 'rival' } },
      { code: 'dangling_reference', object: { name: 'web' } },
      { code: 'conflict', class: 'semantic', object: { name: 'web' } },
    ])
  })
})
