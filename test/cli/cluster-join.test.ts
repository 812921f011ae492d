import { describe, expect, it } from 'vitest'
import { toProblemDetails } from '#api/problem-details.ts'
import { planeUrl, runFake } from './fake-io.ts'
import { fakeKubernetes } from './fake-kubernetes.ts'
import type { FakeAnswer } from './fake-io.ts'

const token = {
  id: 't1',
  cluster: 'east',
  network: 'net-east',
  kind: 'universal',
  createdAt: '2026-11-21T12:00:00Z',
  expiresAt: '2026-11-21T13:00:00Z',
  usedAt: null,
  secret: 'atoll_join_t1_s',
}
const mesh = {
  id: 'm1',
  name: 'shop',
  createdAt: '2026-11-21T12:00:00Z',
  settings: { meshId: 'm1', meshName: 'shop', trustDomain: 'shop.test' },
  revision: 0,
  clusters: 0,
}
const join = (clusters: FakeAnswer) =>
  runFake(['cluster', 'join', 'east', '--network', 'net-east'], {
    answers: {
      'GET /v1/meshes/shop/clusters': clusters,
      'POST /v1/meshes/shop/join-tokens': { status: 201, body: token },
    },
  })
const refused = (code: 'forbidden' | 'not_found', status: number): FakeAnswer => ({
  status,
  body: toProblemDetails(code, { detail: 'no', requestId: 'r1' }),
})

/** An agent that the API server knows, of a cluster of which the plane has never heard. */
const joinKubernetes = (
  log: string,
  options: readonly string[] = [],
  objects: Readonly<Record<string, object>> = {},
) => {
  const named = (name: string) => ({ metadata: { name, namespace: 'atoll-system', resourceVersion: '1' } })
  const system = '/api/v1/namespaces/atoll-system/pods'
  const deployment = { ...named('atoll-agent'), spec: { replicas: 2 }, status: { availableReplicas: 1 } }
  return runFake(['cluster', 'join', 'east', '--context', 'k-east', '--timeout', '3s', ...options], {
    probes: { [`${planeUrl}/healthz`]: { status: 200, body: { status: 'ok', version: '0.2.0', setUp: true } } },
    answers: {
      'GET /v1/meshes/shop': { status: 200, body: mesh },
      'GET /v1/meshes/shop/clusters': { status: 200, body: { items: [], nextCursor: null } },
      'GET /v1/meshes/shop/clusters/east': refused('not_found', 404),
      'POST /v1/meshes/shop/join-tokens': { status: 201, body: { ...token, kind: 'kubernetes' } },
    },
    kubernetes: fakeKubernetes({
      takesWrites: true,
      objects: {
        '/apis/apps/v1/namespaces/atoll-system/deployments/atoll-agent': deployment,
        [system]: { metadata: {}, items: [named('agent-1')] },
        [`${system}/agent-1/log`]: log,
        ...objects,
      },
    }),
  })
}

describe('atoll cluster join --context', () => {
  const reason = "the plane https://plane.test can't be reached: self-signed certificate"
  const log = JSON.stringify({ level: 'warn', reason, msg: 'could not join the mesh yet' })

  it('says what it waits for, once', async () => {
    const { stderr } = await joinKubernetes(log)
    const waiting = 'waiting for cluster east: it has not joined yet, 1 of 2 replicas of its agent are ready\n'
    expect(stderr.split(waiting)).toHaveLength(2)
  })

  it('tells what the agent complains of when the time is over', async () => {
    const { code, stderr } = await joinKubernetes(log)
    expect(code).toBe(3)
    expect(stderr).toContain(`the agent says: could not join the mesh yet: ${reason}\n`)
    expect(stderr).toContain('--plane-ca FILE')
    expect(stderr).toContain('kubectl --context k-east --namespace atoll-system logs deployment/atoll-agent')
  })

  it('speaks of no certificate when it is about something else', async () => {
    const { stderr } = await joinKubernetes(JSON.stringify({ level: 'error', msg: 'no disk' }))
    expect(stderr).toContain('the agent says: no disk\n')
    expect(stderr).not.toContain('--plane-ca')
  })
})

describe('atoll cluster join', () => {
  it("takes the cluster's name also after the options of gateways", async () => {
    const { stdout, stderr } = await runFake([
      'cluster',
      'join',
      '--context',
      'k-east',
      '--dry-run',
      '--ingress-gateway',
      '--egress-gateway',
      'east',
    ])
    expect(stderr).toContain('atoll cluster join east --network east')
    expect(stdout).toMatch(/name: istio-egressgateway\n +namespace: atoll-egress/)
  })

  it('refuses to remove a gateway and to say where it is to be', async () => {
    const { code, stderr } = await joinKubernetes('', [
      '--no-egress-gateway',
      '--egress-gateway-namespace=atoll-egress',
    ])
    expect(code).toBe(2)
    expect(stderr).toContain('--no-egress-gateway removes what --egress-gateway-namespace installs')
  })
})

describe('atoll cluster join --context, where a gateway is installed,', () => {
  const name = 'atoll-ingress/istio-ingressgateway'
  const path = '/api/v1/namespaces/atoll-ingress/services/istio-ingressgateway'
  const service = { metadata: { namespace: 'atoll-ingress', name: 'istio-ingressgateway', resourceVersion: '1' } }
  const joinAgain = async (...options: readonly string[]) =>
    (await joinKubernetes('', options, { [path]: service })).stderr

  it('keeps it, and says how it would go', async () => {
    const stderr = await joinAgain()
    expect(stderr).toContain(`${name} is kept; --no-ingress-gateway removes it\n`)
    expect(stderr).toContain(`Deployment ${name} created`)
    expect(stderr).not.toContain(`Service ${name} removed`)
    expect(stderr).toContain('Service atoll-egress/istio-egressgateway removed')
  })

  it('removes it when that is said', async () => {
    const stderr = await joinAgain('--no-ingress-gateway')
    expect(stderr).toContain(`Service ${name} removed`)
    expect(stderr).not.toContain('is kept')
  })

  it('says nothing of it when it is asked for', async () => {
    const stderr = await joinAgain('--ingress-gateway')
    expect(stderr).not.toContain(`${name} removed`)
    expect(stderr).not.toContain('is kept')
  })
})

describe("atoll cluster join --context, with a gateway in Istio's namespace,", () => {
  const name = 'istio-system/istio-egressgateway'
  const path = '/api/v1/namespaces/istio-system/services/istio-egressgateway'
  const service = (labels: Readonly<Record<string, string>>) => ({
    [path]: { metadata: { namespace: 'istio-system', name: 'istio-egressgateway', resourceVersion: '1', labels } },
  })
  const ours = service({ 'app.kubernetes.io/part-of': 'atoll' })
  const istios = service({ release: 'istio' })

  it('installs it there, and lets the agent read no Secrets', async () => {
    const { stderr } = await joinKubernetes('', ['--egress-gateway-namespace', 'istio-system'])
    expect(stderr).toContain('Namespace istio-system created')
    expect(stderr).toContain(`Deployment ${name} created`)
    expect(stderr).not.toMatch(/Role(Binding)? istio-system/)
  })

  it.each([
    ['keeps it', [], `${name} is kept; --no-egress-gateway removes it\n`, 'removed'],
    ['leaves it where it is when it is asked for', ['--egress-gateway'], `Service ${name} changed`, 'is kept'],
    ['takes it away when that is said', ['--no-egress-gateway'], `Service ${name} removed`, 'is kept'],
    ['moves it', ['--egress-gateway-namespace', 'atoll-egress'], `Service ${name} removed`, `Service ${name} changed`],
  ])('%s', async (_what, options, said, unsaid) => {
    const { stderr } = await joinKubernetes('', options, ours)
    expect(stderr).toContain(said)
    expect(stderr.split('\n').filter((line) => line.includes(name) && line.includes(unsaid))).toEqual([])
  })

  it("writes over nothing of Istio's, and takes nothing of it away", async () => {
    const refusal = await joinKubernetes('', ['--egress-gateway-namespace', 'istio-system'], istios)
    expect(refusal.code).not.toBe(0)
    expect(refusal.stderr).toContain(`Service ${name} is there, and is not Atoll's; nothing was changed`)
    expect(refusal.stderr).not.toContain('created')
    expect((await joinKubernetes('', [], istios)).stderr).not.toContain(name)
  })
})

describe('atoll cluster join', () => {
  it('shows the token to who may see no other cluster', async () => {
    const { code, stdout, stderr } = await join(refused('forbidden', 403))
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining(token.secret) as string })
    expect(stderr).not.toContain('gateway')
  })

  it('makes no token that it would not come to show', async () => {
    const { code, calls } = await join(refused('not_found', 404))
    expect(code).not.toBe(0)
    expect(calls.map(({ method }) => method)).toEqual(['GET'])
  })
})
