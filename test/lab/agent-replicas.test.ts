import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { status as grpcStatus } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { buildAgentAccess } from '#cli/kubernetes/manifests/agent-access.ts'
import { agentStateSecret, reporterLease, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { joinToken, TestPlane } from '#test/agent/process/test-plane.ts'
import { eventually } from '#test/harness/child.ts'
import { AgentReplica } from './agent-replica.ts'
import type { LabCluster } from './harness/cluster.ts'
import { Lab } from './harness/lab.ts'
import { askForConfiguration } from './ask-for-configuration.ts'
import { toYaml } from './to-yaml.ts'

const registryState = z.object({
  ready: z.boolean(),
  registry: z.object({ synced: z.boolean(), asOf: z.string().optional() }),
})
const readiness = z.object({ ready: z.boolean(), plane: z.object({ reporting: z.boolean() }) })

/** Two replicas of an agent at a real API server, and a model of the plane. */
let folder: string
let lab: Lab
let cluster: LabCluster
let plane: TestPlane
const replicas: AgentReplica[] = []

const kubectl = async (...args: string[]): Promise<string> => (await cluster.kubectl(args)).stdout

const addReplica = async (name: string): Promise<void> => {
  replicas.push(await AgentReplica.start(folder, name, { cluster, planeUrl: plane.url, joinToken }))
}

const readinessOf = async ({ httpPort }: AgentReplica) => {
  const response = await fetch(`http://127.0.0.1:${httpPort}/readyz`)
  return readiness.parse(await response.json())
}

/** The name of the replica that says that it reports, once exactly one does. */
const reporter = (among: readonly AgentReplica[] = replicas): Promise<AgentReplica> =>
  eventually('one replica reports', async () => {
    const states = await Promise.all(among.map(async (replica) => ({ replica, ...(await readinessOf(replica)) })))
    const reporting = states.filter((state) => state.plane.reporting)
    return states.every(({ ready }) => ready) && reporting.length === 1 && reporting[0]?.replica
  })

/** Who has the Lease of the reporter; "" when nobody has. */
const holder = (): Promise<string> =>
  kubectl('get', 'lease', reporterLease, '-n', systemNamespace, '-o', 'jsonpath={.spec.holderIdentity}')

/** A token as the kubelet mounts it into the proxy's container of a pod. */
const tokenOf = async (pod: string, account = 'reviews', audience = 'atoll'): Promise<string> => {
  const bound = ['--bound-object-kind=Pod', `--bound-object-name=${pod}`]
  return (await kubectl('create', 'token', account, '-n', 'shop', `--audience=${audience}`, ...bound)).trim()
}

const connect = ({ xdsPort }: AgentReplica, token: string) => askForConfiguration(xdsPort, plane.root.pem, token)

const pod = (name: string, account = 'reviews') => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'shop', labels: { app: 'reviews' } },
  spec: { serviceAccountName: account, containers: [{ name: 'app', image: 'lab/app' }] },
})

const apply = (...objects: readonly object[]) => cluster.apply(toYaml(objects))

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'atoll-replicas-'))
  lab = await Lab.up({ name: 'replicas', clusters: 1 })
  plane = await TestPlane.start()
  ;[cluster] = lab.clusters as [LabCluster]
  await apply(
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: systemNamespace } },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { 'istio-injection': 'enabled' } } },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'quiet' } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'reviews', namespace: 'shop' } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'ratings', namespace: 'shop' } },
    ...buildAgentAccess(),
  )
  await apply(pod('reviews-1'), pod('reviews-2'), pod('ratings-1', 'ratings'))
}, 900_000)

afterAll(async () => {
  for (const { process: running } of replicas) await running.kill()
  await plane?.stop()
  await lab?.down()
  await rm(folder, { recursive: true, force: true })
}, 60_000)

describe('two replicas', () => {
  test('that start together join with one token, share one identity, and one of them reports', async () => {
    await Promise.all([addReplica('agent-1'), addReplica('agent-2')])
    const { name } = await reporter()
    expect(plane.model.row('east')).toMatchObject({ reporter: name, term: 1 })
    expect([...plane.model.sessions].map(({ replica }) => replica).toSorted()).toEqual(['agent-1', 'agent-2'])
    expect(await kubectl('get', 'secret', agentStateSecret, '-n', systemNamespace, '-o', 'jsonpath={.type}')).toBe(
      'Opaque',
    )
    expect(await holder()).toBe(name)
  })

  test('say nothing of the keys that they share', async () => {
    const { data } = z
      .object({ data: z.record(z.string(), z.string()) })
      .parse(JSON.parse(await kubectl('get', 'secret', agentStateSecret, '-n', systemNamespace, '-o', 'json')))
    const shared = Object.values(data).map((text) => Buffer.from(text, 'base64').toString())
    const keys = shared.flatMap(
      (text) => text.match(/[A-Za-z0-9+/=]{40,}(?=\\n[A-Za-z0-9+/=]*\\n-----END PRIVATE KEY)/g) ?? [],
    )
    expect(keys.length).toBeGreaterThan(0)
    const logs = replicas.map((replica) => replica.process.log()).join('\n')
    for (const key of keys) expect(logs).not.toContain(key)
    expect(logs).not.toContain('PRIVATE KEY')
  })
})

describe('what proxies start with', () => {
  const rootsIn = async (namespace: string) => {
    const { stdout } = await cluster.kubectl(
      ['get', 'configmap', 'atoll-proxy', '-n', namespace, '-o', 'jsonpath={.data.sds-roots\\.yaml}'],
      { allowFailure: true },
    )
    return /-----BEGIN[^]+-----END CERTIFICATE-----/.exec(stdout)?.[0].replaceAll(/^ +/gm, '') ?? stdout
  }

  test('is in every namespace with proxies, also in one that becomes one', async () => {
    for (const namespace of ['shop', systemNamespace])
      await eventually(`roots in ${namespace}`, async () => (await rootsIn(namespace)) === plane.root.pem.trim())
    expect(await rootsIn('quiet')).toBe('')
    await kubectl('label', 'namespace', 'quiet', 'istio-injection=enabled')
    await eventually('roots in quiet', async () => (await rootsIn('quiet')) === plane.root.pem.trim())
    const files = await kubectl('get', 'configmap', 'atoll-proxy', '-n', 'shop', '-o', 'jsonpath={.data}')
    expect(Object.keys(JSON.parse(files) as object).toSorted()).toEqual([
      'envoy.yaml',
      'sds-roots.yaml',
      'sds-token.yaml',
    ])
  })

  test('is not written over what somebody else has put there, and the agent tells of it', async () => {
    await apply(
      {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: 'theirs', labels: { 'kubernetes.io/metadata.name': 'theirs' } },
      },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'atoll-proxy', namespace: 'theirs' },
        data: { 'sds-roots.yaml': 'x' },
      },
    )
    await kubectl('label', 'namespace', 'theirs', 'istio-injection=enabled')
    const { process: running } = await reporter()
    await running.waitForLine(/ConfigMap\/theirs\/atoll-proxy: it is not Atoll's/)
    expect(await rootsIn('theirs')).toBe('x')
  })
})

describe('a proxy', () => {
  test('gets its configuration by the token of its pod, from each replica', async () => {
    const token = await tokenOf('reviews-1')
    for (const replica of replicas) expect(await connect(replica, token)).toBe('served')
  })

  test.each<[string, () => Promise<string>]>([
    ['of another audience', () => tokenOf('reviews-1', 'reviews', 'https://kubernetes.default.svc')],
    ['of no pod', async () => (await kubectl('create', 'token', 'reviews', '-n', 'shop', '--audience=atoll')).trim()],
    [
      'of another account with another pod’s claims',
      async () => splice(await tokenOf('ratings-1', 'ratings'), await tokenOf('reviews-1')),
    ],
    ['of nobody', () => Promise.resolve('x.y.z')],
  ])('is refused with a token %s', async (_what, makeToken) => {
    const token = await makeToken()
    for (const replica of replicas) expect(await connect(replica, token)).toBe(grpcStatus.UNAUTHENTICATED)
  })

  test('is refused when its pod is gone, also when another has its name', async () => {
    const token = await tokenOf('reviews-2')
    const [replica] = replicas as [AgentReplica]
    expect(await connect(replica, token)).toBe('served')
    await kubectl('delete', 'pod', 'reviews-2', '-n', 'shop', '--grace-period=1')
    await apply(pod('reviews-2'))
    expect(await connect(replica, token)).toBe(grpcStatus.UNAUTHENTICATED)
    const anew = await tokenOf('reviews-2')
    expect(await connect(replica, anew)).toBe('served')
  })
})

describe('while the API server is away', () => {
  test('known tokens and such that its keys vouch for are good, forged ones are not; nobody reports, all serve; then all is as before', async () => {
    const { name } = await reporter()
    const known = await tokenOf('reviews-1')
    const fresh = await tokenOf('ratings-1', 'ratings')
    for (const replica of replicas) expect(await connect(replica, known)).toBe('served')
    await cluster.stopApiServer()
    for (const replica of replicas) {
      expect(await connect(replica, known)).toBe('served')
      expect(await connect(replica, fresh)).toBe('served')
      expect(await connect(replica, splice(fresh, known))).toBe(grpcStatus.UNAUTHENTICATED)
    }
    await eventually('the Lease runs out', async () => {
      const states = await Promise.all(replicas.map(readinessOf))
      return states.every(({ ready, plane: { reporting } }) => ready && !reporting)
    })
    for (const replica of replicas) expect(await connect(replica, known)).toBe('served')
    await cluster.startApiServer()
    const after = await reporter()
    expect(plane.model.row('east')).toMatchObject({ reporter: after.name, term: after.name === name ? 1 : 2 })
  })
})

describe('an agent that is started anew while the API server is away', () => {
  test('serves the proxies of known pods as before, nobody else, and says that it is old; then all is in sync again', async () => {
    const [killed] = replicas as [AgentReplica]
    const token = await tokenOf('reviews-1')
    expect(await connect(killed, token)).toBe('served')
    const stateOf = async () =>
      registryState.parse(await (await fetch(`http://127.0.0.1:${killed.httpPort}/readyz`)).json())
    const kept = ['registry.snapshot', 'pods.snapshot', 'issuer.sealed', 'agent.sealed']
    await eventually('what it knows is on its disk', async () => {
      const files = await readdir(killed.dataDirectory)
      return kept.every((file) => files.includes(file))
    })
    await apply(pod('late-1'))
    const late = await tokenOf('late-1')
    await cluster.stopApiServer()
    await killed.process.kill()
    killed.startAgain()
    await killed.process.waitForLine(/xds serving/)
    expect(await connect(killed, token)).toBe('served')
    expect(await connect(killed, splice(late, token))).toBe(grpcStatus.UNAUTHENTICATED)
    expect(await stateOf()).toMatchObject({ ready: true, registry: { synced: false, asOf: expect.any(String) } })
    expect((await readinessOf(killed)).plane.reporting).toBe(false)

    await cluster.startApiServer()
    await eventually('it is in sync', async () => (await stateOf()).registry.synced)
    expect(await connect(killed, token)).toBe('served')
    expect(await connect(killed, late)).toBe('served')
    await reporter()
  })
})

describe('a reporter', () => {
  test('that is killed makes room for the other, under a higher term', async () => {
    const killed = await reporter()
    const { term } = plane.model.row('east')
    await killed.process.kill()
    const [other] = replicas.filter((replica) => replica !== killed) as [AgentReplica]
    expect(await reporter([other])).toBe(other)
    expect(plane.model.row('east')).toMatchObject({ reporter: other.name, term: term + 1 })
    killed.startAgain()
    await killed.process.waitForLine(/xds serving/)
    expect(await reporter()).toBe(other)
  })

  test('that stops hands over at once', async () => {
    const stopped = await reporter()
    const { term } = plane.model.row('east')
    await stopped.process.stop(20_000)
    // A Lease that was left to run out still has its name, for 15 seconds.
    expect(await holder()).not.toBe(stopped.name)
    const [other] = replicas.filter((replica) => replica !== stopped) as [AgentReplica]
    expect(await reporter([other])).toBe(other)
    expect(plane.model.row('east').term).toBe(term + 1)
  })
})

/** The claims of one token under the signature of another. */
const splice = (signed: string, claims: string): string => claims.replace(/[^.]+$/, signed.split('.')[2] ?? '')
