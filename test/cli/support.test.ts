import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '#test/harness/child.ts'
import { World } from '#test/harness/world.ts'
import { fakeKubernetes } from './fake-kubernetes.ts'
import { runFake } from './fake-io.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'atoll-support-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The files of a bundle by their names in it, and all of their text. */
const unpack = (archive: string) => {
  const target = mkdtempSync(join(folder, 'unpacked-'))
  execFileSync('tar', ['-xzf', archive, '-C', target])
  const paths = readdirSync(target, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
  // The first folder is the bundle's own.
  const toName = (path: string) => path.slice(target.length + 1).replace(/^[^/]+\//, '')
  const files = new Map(paths.map((path) => [toName(path), readFileSync(path, 'utf8')]))
  return { files, text: [...files.values()].join('\n') }
}

const privateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgplanted000000001
-----END PRIVATE KEY-----`
const planted = {
  annotation: 'planted-in-an-annotation',
  environment: 'planted-in-an-environment',
  header: 'planted-in-a-header',
  body: 'planted-in-a-body',
  secret: Buffer.from('planted-in-a-secret').toString('base64'),
  log: 'cGxhbnRlZC1pbi1hLWxvZw',
  key: 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgplanted000000001',
}
const expectNothingPlanted = (text: string, secrets: Readonly<Record<string, string>>) => {
  const names = Object.entries(secrets)
  expect(names.filter(([, secret]) => secret.length < 16).map(([name]) => name)).toEqual([])
  expect(names.filter(([, secret]) => text.includes(secret)).map(([name]) => name)).toEqual([])
}

describe('atoll support bundle, with no plane and a Kubernetes cluster', () => {
  const meta = (name: string, more: object = {}) => ({ name, namespace: 'atoll-system', resourceVersion: '1', ...more })
  const page = (...items: object[]) => ({ metadata: {}, items })
  const running = { name: 'agent', ready: false, restartCount: 2, image: 'atoll/agent:1', state: {}, lastState: {} }
  const agentPod = {
    metadata: meta('atoll-agent-1', {
      labels: { 'app.kubernetes.io/name': 'atoll-agent' },
      annotations: { note: planted.annotation },
    }),
    spec: { containers: [{ name: 'agent', image: 'atoll/agent:1', env: [{ name: 'A', value: planted.environment }] }] },
    status: { phase: 'Running', containerStatuses: [running] },
  }
  const shopPod = {
    metadata: meta('web-1', {
      namespace: 'shop',
      annotations: {
        'sidecar.istio.io/status': '{"revision":"default","containers":["istio-proxy"],"x":"planted-in-an-annotation"}',
      },
    }),
    spec: { containers: [{ name: 'web', image: 'web:1', env: [{ name: 'KEY', value: planted.environment }] }] },
    status: {
      phase: 'Running',
      containerStatuses: [
        { ...running, name: 'istio-proxy' },
        { ...running, name: 'web' },
      ],
    },
  }
  const pod = '/api/v1/namespaces/atoll-system/pods/atoll-agent-1'
  const kubernetes = fakeKubernetes({
    objects: {
      '/api/v1/namespaces/atoll-system': {
        metadata: meta('atoll-system', { annotations: { 'atoll.dev/cluster': 'east' } }),
      },
      '/api/v1/pods': page(agentPod, shopPod),
      '/api/v1/namespaces/atoll-system/pods': page(agentPod),
      '/api/v1/secrets': page({ metadata: meta('atoll-agent-state'), data: { x: planted.secret } }),
      '/api/v1/configmaps': page({ metadata: meta('atoll-agent'), data: { x: planted.environment } }),
      '/apis/apps/v1/namespaces/atoll-system/deployments': page({
        metadata: meta('atoll-agent'),
        spec: { replicas: 2 },
        status: { availableReplicas: 1 },
      }),
      [`${pod}/log`]: `{"msg":"hello"}\nauthorization: Bearer ${planted.log}\n${privateKey}\n`,
      '/api/v1/namespaces/atoll-system/pods/atoll-agent-1:15020/proxy/readyz': {
        ready: false,
        reason: 'the agent is starting',
      },
      '/api/v1/namespaces/atoll-system/pods/atoll-agent-1:15020/proxy/metrics': 'atoll_agent_uplink_live 0\n',
    },
  })

  it('holds what Kubernetes says, why the rest is missing, and nothing secret', async () => {
    const archive = join(folder, 'no-plane.tar.gz')
    const { code, stdout } = await runFake(['support', 'bundle', '--context', 'east', '--out', archive], { kubernetes })
    expect(code).toBe(0)
    expect(stdout).toContain('context east: Deployment atoll-agent: 1 of 2 replicas are available')
    expect(stdout).toContain('agent atoll-agent-1: not ready: the agent is starting')
    expect(stdout).toContain('the plane does not answer')
    expect(statSync(archive).mode & 0o777).toBe(0o600)
    const { files, text } = unpack(archive)
    expect(files.get('README.txt')).toMatch(/plane\/health\.json: No answer from https:\/\/plane\.test/)
    expect(JSON.parse(files.get('summary.json') ?? '')).toMatchObject({ format: 1, missing: expect.any(Array) })
    expect(files.get('kubernetes/east/logs/atoll-agent-1.agent.log')).toMatch(/hello/)
    expect([...files.keys()]).toContain('kubernetes/east/logs/atoll-agent-1.agent.previous.log')
    expect(files.get('kubernetes/east/agents/atoll-agent-1/metrics.txt')).toBe('atoll_agent_uplink_live 0\n')
    const { items } = JSON.parse(files.get('kubernetes/east/injected-pods.json') ?? '') as { items: object[] }
    expect(items).toMatchObject([{ metadata: { name: 'web-1' }, injected: { containers: ['istio-proxy'] } }])
    expect(text).not.toContain('"web:1"')
    expectNothingPlanted(text, planted)
  })

  it('is made when nobody answers at all', async () => {
    const archive = join(folder, 'nobody.tar.gz')
    const { code, stdout } = await runFake(['support', 'bundle', '--context', 'east', '--out', archive])
    expect(code).toBe(0)
    expect(stdout).toContain('context east does not answer')
    expect([...unpack(archive).files.keys()].toSorted()).toEqual(['README.txt', 'summary.json'])
  })

  it('tells when an external issuer ends, of which nobody but people makes another', async () => {
    const certificate = (notAfter: string) => ({
      serial: '1',
      pem: planted.body,
      notBefore: '2026-01-01T00:00:00.000Z',
      notAfter,
      fingerprint: 'f',
    })
    const issuer = (name: string, notAfter: string) => ({
      ...certificate(notAfter),
      name,
      clusters: ['east'],
      createdAt: '2026-01-01T00:00:00.000Z',
    })
    const trust = {
      trustDomain: 'demo.atoll.local',
      roots: [certificate('2036-01-01T00:00:00.000Z')],
      intermediates: [{ ...certificate('2026-12-20T12:00:00.000Z'), cluster: 'east' }],
      issuers: [issuer('istio', '2026-12-11T12:00:00.000Z'), issuer('old', '2026-11-01T12:00:00.000Z')],
      epoch: 0,
    }
    const archive = join(folder, 'issuer.tar.gz')
    const { stdout } = await runFake(['support', 'bundle', '--mesh', 'demo', '--out', archive], {
      answers: {
        'GET /healthz': { status: 200, body: { status: 'ok', version: '1', setUp: true } },
        'GET /v1/meshes/demo/trust': { status: 200, body: trust },
        'GET /v1/meshes/demo/trust/certificates': { status: 200, body: { items: [], nextCursor: null } },
      },
    })
    expect(stdout).toContain('the issuer istio expires in 20d')
    expect(stdout).toContain('the issuer old has expired at 2026-11-01T12:00:00.000Z')
    expect(stdout).not.toContain('intermediate of east')
    const { files, text } = unpack(archive)
    expect(JSON.parse(files.get('plane/trust.json') ?? '')).toMatchObject({
      issuers: [{ name: 'istio', clusters: ['east'] }, { name: 'old' }],
    })
    expect(text).not.toContain(planted.body)
  })

  it('asks nobody with --list', async () => {
    const { stdout, calls } = await runFake(['support', 'bundle', '--context', 'east', '--list'])
    expect(stdout).toContain('kubernetes/east/logs/')
    expect(stdout).toContain('plane/trust.json')
    expect(calls).toEqual([])
  })

  it('writes over nothing', async () => {
    const archive = join(folder, 'mine')
    writeFileSync(archive, 'mine')
    expect((await runFake(['support', 'bundle', '--out', archive])).code).toBe(6)
    expect(readFileSync(archive, 'utf8')).toBe('mine')
  })
})

describe('atoll support bundle, of a real mesh', () => {
  let world: World
  beforeAll(async () => {
    world = await World.create(join(folder, 'world'))
    await world.startPlane()
  })
  afterAll(() => world.stop())

  it('holds no secret that the plane, the agent or anybody has put there', async () => {
    const setupToken = readFileSync(join(world.planeData, 'setup-token'), 'utf8').trim()
    await world.signIn()
    const cluster = await world.join('east', 'east')
    const joinToken = findText(cluster.dataDirectory, /atoll_join_\w+-*[\w-]*/)
    mkdirSync(cluster.directory, { recursive: true })
    await world.startAgent(cluster)
    const machineToken = join(folder, 'machine-token')
    const machine = ['machine', 'token', 'create', '--cluster', 'east', '--role', 'sidecar', '--namespace', 'default']
    await world.atoll([...machine, '--service-account', 'a', '--workload', 'a', '--out', machineToken])
    const configuration = join(folder, 'reviews.yaml')
    const spec = {
      hosts: ['reviews.test'],
      http: [
        {
          match: [{ headers: { 'x-key': { exact: planted.header } } }],
          headers: { request: { set: { authorization: `Bearer ${planted.log}`, 'x-key': planted.header } } },
          directResponse: { status: 200, body: { string: planted.body } },
        },
      ],
    }
    const annotations = { note: planted.annotation, key: privateKey }
    const object = (kind: string, body: object) =>
      JSON.stringify({
        apiVersion: 'networking.istio.io/v1',
        kind,
        metadata: { name: 'reviews', namespace: 'default', annotations },
        spec: body,
      })
    const entry = {
      hosts: ['reviews.test'],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      resolution: 'STATIC',
      endpoints: [{ address: '10.0.0.1', labels: { app: 'x' } }],
    }
    writeFileSync(configuration, `${object('VirtualService', spec)}\n---\n${object('ServiceEntry', entry)}\n`)
    await world.atoll(['apply', '-f', configuration])
    const archive = join(folder, 'real.tar.gz')
    const status = ['--agent', cluster.httpAddress]
    await eventually('the agent has said what it has', async () => {
      const { stdout } = await world.atoll(['cluster', 'show', 'east'])
      return stdout.includes('connected')
    })
    const { output } = await world.atoll(['support', 'bundle', '--out', archive, ...status])
    expect(output).toContain('files are in')
    const { files, text } = unpack(archive)
    expect(JSON.parse(files.get('summary.json') ?? '')).toMatchObject({ missing: [] })
    for (const name of [
      'health',
      'mesh',
      'clusters',
      'proxies',
      'revisions',
      'delivery',
      'services',
      'audit',
      'trust',
      'configuration',
    ])
      expect([...files.keys()]).toContain(`plane/${name}.json`)
    expect(text).toContain('x-key')
    expect(text).toContain('reviews.test')
    expect(text).toMatch(/^atoll_agent_uplink_live 1$/m)
    expectNothingPlanted(text, {
      ...planted,
      setupToken,
      joinToken,
      kek: findText(world.planeData, /(?<="keyEncryptionKey": ")[^"]+/),
      apiToken: findText(join(world.directory, 'config'), /atoll_token_[\w-]+/),
      machineToken: readFileSync(machineToken, 'utf8').trim(),
      sealingKey: readFileSync(join(cluster.dataDirectory, 'sealing.key'), 'utf8').trim(),
    })
  }, 120_000)
})

const readAll = (root: string): string =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'utf8'))
    .join('\n')
const findText = (root: string, pattern: RegExp): string => pattern.exec(readAll(root))?.[0] ?? ''
