import { expect, test } from 'vitest'
import { east, network1, settings, trust } from '#test/mesh/records.ts'
import { objectKeyOf, type Origin } from '#mesh/config-object.ts'
import { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { parseDocuments } from '#mesh/parse-documents.ts'
import type { Problem } from '#mesh/problem.ts'
import { conditionTypes, MAX_CONDITION_MESSAGE, type Condition } from './condition.ts'
import { judgeObjects, type JudgedCluster } from './judge-objects.ts'

const key = 'VirtualService/shop/reviews'
const object = { kind: 'VirtualService', namespace: 'shop', name: 'reviews' }

const virtualService = (name = 'reviews', extra = '', annotations = '{}') => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: shop, annotations: ${annotations} }
spec: { hosts: [reviews], http: [{ ${extra} route: [{ destination: { host: reviews } }] }] }`
const override = '{ atoll.dev/precedence: override }'

/** What the mesh and the cluster have, as YAML. */
const judge = (
  { mesh = [], cluster = [] }: Partial<Record<Origin, readonly string[]>>,
  rest: Partial<JudgedCluster> = {},
) => {
  const view = new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust })
  const changes = (origin: Origin, documents: readonly string[]) => {
    const parsed = parseDocuments(documents.join('\n---\n'), {
      defaultNamespace: 'shop',
      maxCharacters: 100_000,
      maxObjects: 100,
    })
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.error))
    return parsed.value.objects.map(({ object: value }) => ({
      kind: 'config' as const,
      origin,
      key: objectKeyOf(value),
      value,
    }))
  }
  view.apply([...changes('mesh', mesh), ...changes('cluster', cluster)])
  return judgeObjects({
    held: view.configuration(),
    ownProblems: [],
    leftOut: [],
    known: { domainSuffix: 'cluster.local', hasHost: (host) => host.startsWith('reviews.') },
    ...rest,
  })
}

/** "Accepted=True Accepted" */
const summary = (conditions: readonly Condition[]) =>
  conditions.map(({ type, status, reason }) => `${type.replace('atoll.dev/', '')}=${status} ${reason}`)

const error: Problem = {
  code: 'unsupported',
  severity: 'error',
  object,
  path: 'spec.http[0].mirrors',
  message: 'is not supported',
}

test('an object with which all is well says so, also one of a kind that is only material for records', () => {
  const { clusterConditions, meshTroubles } = judge({ cluster: [virtualService()] })
  const well = [
    'Accepted=True Accepted',
    'Effective=True Effective',
    'Conflicted=False NoConflicts',
    'ResolvedRefs=True ResolvedRefs',
  ]
  expect(summary(clusterConditions(key))).toEqual(well)
  expect(summary(clusterConditions('WorkloadEntry/shop/vm'))).toEqual(well)
  expect(meshTroubles).toEqual([])
})

test('one that is refused tells where and why, and whether what it said before goes on', () => {
  const fresh = judge({}, { ownProblems: [error] }).clusterConditions(key)
  expect(summary(fresh)).toEqual([
    'Accepted=False Unsupported',
    'Effective=False NotAccepted',
    'Conflicted=False NoConflicts',
    'ResolvedRefs=Unknown NotEffective',
  ])
  expect(fresh[0]?.message).toBe('spec.http[0].mirrors is not supported')
  const changed = judge({ cluster: [virtualService()] }, { ownProblems: [error] }).clusterConditions(key)
  expect(summary(changed)).toContain('Effective=False EarlierHolds')
})

test('a warning leaves it accepted, and is told', () => {
  const warning: Problem = {
    ...error,
    severity: 'warning',
    code: 'unknown_field',
    path: 'metadata.nme',
    message: 'is not a field',
  }
  const [accepted] = judge({ cluster: [virtualService()] }, { ownProblems: [warning] }).clusterConditions(key)
  expect(accepted).toEqual({
    type: 'atoll.dev/Accepted',
    status: 'True',
    reason: 'AcceptedWithWarnings',
    message: 'metadata.nme is not a field',
  })
})

test("where the mesh and the cluster have an object of one key, both sides tell whose holds: the cluster's by default", () => {
  const { clusterConditions, meshTroubles } = judge({ mesh: [virtualService()], cluster: [virtualService()] })
  expect(summary(clusterConditions(key)).slice(1, 3)).toEqual(['Effective=True Effective', 'Conflicted=True SameKey'])
  expect(clusterConditions(key)[2]?.message).toBe('the mesh has an object of this key too: this one holds here')
  expect(meshTroubles.map((trouble) => trouble.key)).toEqual([key, key])
  expect(summary(meshTroubles.map(({ condition }) => condition))).toEqual([
    'Effective=False ClusterObjectHolds',
    'Conflicted=True SameKey',
  ])
})

test("… and the mesh's when it says so", () => {
  const mesh = [virtualService('reviews', '', override)]
  const { clusterConditions, meshTroubles } = judge({ mesh, cluster: [virtualService()] })
  expect(summary(clusterConditions(key))).toEqual([
    'Accepted=True Accepted',
    'Effective=False MeshObjectHolds',
    'Conflicted=True SameKey',
    'ResolvedRefs=Unknown NotEffective',
  ])
  expect(summary(meshTroubles.map(({ condition }) => condition))).toEqual(['Conflicted=True SameKey'])
})

test('a WorkloadEntry of the mesh that none of its ServiceEntries selects has no effect', () => {
  const machine = `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: vm, namespace: shop }
spec: { address: 10.0.0.1, network: nowhere, labels: { app: vm } }`
  const selecting = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: vms, namespace: shop }
spec: { hosts: [vms.example], resolution: STATIC, ports: [{ number: 80, name: http, protocol: HTTP }], workloadSelector: { labels: { app: vm } } }`
  const effects = (mesh: readonly string[], cluster: readonly string[] = []) =>
    summary(judge({ mesh, cluster }).meshTroubles.map(({ condition }) => condition))
  expect(effects([machine])).toEqual(['Effective=False NotSelected'])
  expect(effects([machine], [selecting])).toEqual(['Effective=False NotSelected'])
  expect(effects([machine, selecting])).toEqual([])
  const networks = new Set(['network-1'])
  const { meshTroubles } = judge(
    { mesh: [machine, selecting] },
    { known: { domainSuffix: 'cluster.local', hasHost: () => true, networks } },
  )
  expect(meshTroubles).toMatchObject([
    {
      key: 'WorkloadEntry/shop/vm',
      condition: { reason: 'DanglingReference', message: expect.stringMatching(/^spec.network /) as string },
    },
  ])
})

test('what the analysis and the compiler find concerns the object that holds, whoever has it', () => {
  const dangling = virtualService().replace('host: reviews }', 'host: gone }')
  const leftOut = [
    { object: key, message: 'routes to gone' },
    { object: key, message: 'routes to gone' },
  ]
  const own = judge({ cluster: [dangling] }, { leftOut })
  expect(summary(own.clusterConditions(key))).toEqual([
    'Accepted=True Accepted',
    'Effective=False PartlyLeftOut',
    'Conflicted=False NoConflicts',
    'ResolvedRefs=False DanglingReference',
  ])
  expect(own.clusterConditions(key)[1]?.message).toBe('routes to gone')
  expect(own.clusterConditions(key)[3]?.message).toBe(
    'spec.http[0].route[0].destination.host no cluster offers gone.shop.svc.cluster.local now, and no ServiceEntry names it',
  )
  expect(own.meshTroubles).toEqual([])
  const { meshTroubles, clusterConditions } = judge(
    {
      mesh: [virtualService('reviews', '', override).replace('host: reviews }', 'host: gone }')],
      cluster: [virtualService()],
    },
    { leftOut },
  )
  expect(summary(meshTroubles.map(({ condition }) => condition))).toEqual([
    'Effective=False PartlyLeftOut',
    'Conflicted=True SameKey',
    'ResolvedRefs=False DanglingReference',
  ])
  expect(summary(clusterConditions(key))).toContain('ResolvedRefs=Unknown NotEffective')
})

test("a claim of the mesh's and of the cluster's to one host is a conflict of both, and the worst comes first", () => {
  const { clusterConditions, meshTroubles } = judge({
    mesh: [virtualService('a-mesh-wide'), virtualService('b', '', override)],
    cluster: [virtualService(), virtualService('b')],
  })
  expect(clusterConditions(key)[2]).toMatchObject({ status: 'True', reason: 'SameClaim' })
  expect(clusterConditions(key)[2]?.message).toContain('VirtualService shop/a-mesh-wide')
  expect(meshTroubles.map((trouble) => `${trouble.key} ${trouble.condition.reason}`)).toEqual([
    'VirtualService/shop/a-mesh-wide SameClaim',
    'VirtualService/shop/b SameKey',
  ])
})

test('messages are bounded', () => {
  const ownProblems = Array.from({ length: 100 }, (_, index) => ({
    ...error,
    path: `spec.http[${index}]`,
    message: 'x'.repeat(400),
  }))
  const [accepted] = judge({}, { ownProblems }).clusterConditions(key)
  expect(accepted?.message.length).toBe(MAX_CONDITION_MESSAGE)
  const few = ownProblems.map((problem) => ({ ...problem, message: 'is wrong' }))
  expect(judge({}, { ownProblems: few }).clusterConditions(key)[0]?.message).toMatch(/ and 95 more$/)
})

test('the same is found in whatever order things came', () => {
  const objects = ['b', 'c', 'a'].map((name) => virtualService(name))
  const leftOut = ['second', 'first'].map((message) => ({ object: 'VirtualService/shop/a', message }))
  const found = (cluster: readonly string[], left: typeof leftOut) => {
    const { clusterConditions } = judge({ cluster }, { leftOut: left })
    return ['a', 'b', 'c'].map((name) => clusterConditions(`VirtualService/shop/${name}`))
  }
  expect(found(objects.toReversed(), leftOut.toReversed())).toEqual(found(objects, leftOut))
})

test('of an object that names what is still being read, what was told before stays; of others all is told', () => {
  const both = { mesh: [virtualService(), virtualService('other')] }
  const leftOut = ['reviews', 'other'].map((name) => ({ object: `VirtualService/shop/${name}`, message: 'now' }))
  const earlier = judge(both, { leftOut: leftOut.map((each) => ({ ...each, message: 'before' })) }).meshTroubles
  const told = (undecided: JudgedCluster['undecided']) =>
    judge(both, { leftOut, ...(undecided && { undecided }) })
      .meshTroubles.filter(({ condition }) => condition.type === conditionTypes.effective)
      .map((trouble) => `${trouble.key.split('/').at(-1)} ${trouble.condition.message}`)
  expect(told(undefined)).toEqual(['other now', 'reviews now'])
  expect(told({ keys: new Set([key]), earlier })).toEqual(['other now', 'reviews before'])
  expect(told({ keys: new Set([key]), earlier: [] })).toEqual(['other now'])
})

test("of security both hold, the mesh's and the cluster's of one key, and what is refused closes its workloads", () => {
  const policyKey = 'AuthorizationPolicy/shop/a'
  const policy = (kind: string, spec: string) => `
apiVersion: security.istio.io/v1
kind: ${kind}
metadata: { name: a, namespace: shop, annotations: ${override} }
spec: ${spec}`
  const both = judge({
    mesh: [policy('AuthorizationPolicy', '{ rules: [{}] }')],
    cluster: [policy('AuthorizationPolicy', '{ action: DENY, rules: [{}] }')],
  })
  expect(summary(both.clusterConditions(policyKey))).toEqual([
    'Accepted=True Accepted',
    'Effective=True Effective',
    'Conflicted=False NoConflicts',
    'ResolvedRefs=True ResolvedRefs',
  ])
  expect(both.meshTroubles).toEqual([])

  const peers = judge({
    mesh: [policy('PeerAuthentication', '{ mtls: { mode: STRICT } }')],
    cluster: [policy('PeerAuthentication', '{ mtls: { mode: DISABLE } }')],
  }).clusterConditions('PeerAuthentication/shop/a')
  expect(peers[2]).toMatchObject({ status: 'True', reason: 'SameClaim' })
  expect(peers[2]?.message).toContain("of the mesh's and the cluster's the stricter holds")

  const view = new MeshViewStore({ localCluster: east, localNetwork: network1, settings, trust })
  const value = {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'a', namespace: 'shop' },
    spec: { action: 'FORBID' },
  }
  view.apply([{ kind: 'config', origin: 'mesh', key: policyKey, value }])
  const { meshTroubles } = judgeObjects({
    held: view.configuration(),
    ownProblems: [],
    leftOut: [],
    known: { domainSuffix: 'cluster.local', hasHost: () => true },
  })
  expect(summary(meshTroubles.map(({ condition }) => condition)).slice(0, 2)).toEqual([
    'Accepted=False Invalid',
    'Effective=False Closed',
  ])
})
