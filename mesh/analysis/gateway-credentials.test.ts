import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { toAnalyzedObjects } from './analyzed-objects.ts'
import { findGatewayCredentialProblems } from './gateway-credentials.ts'
import type { KnownWorkload } from './known-mesh.ts'

const web: KnownWorkload = { namespace: 'shop', labels: { app: 'web' } }
const elsewhere = { ...web, namespace: 'elsewhere' }
const toGateway = (tls: string, selector = '{app: web}') => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'Gateway',
  metadata: { name: 'front', namespace: 'other' },
  spec: parse(
    `{selector: ${selector}, servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: [a.org], tls: ${tls}}]}`,
  ) as Record<string, unknown>,
})
type Secrets = Readonly<Record<string, readonly string[] | undefined>>
const find = (gateway: ReturnType<typeof toGateway>, keys: Secrets, workloads = [web]) =>
  findGatewayCredentialProblems(toAnalyzedObjects([gateway]), {
    domainSuffix: 'cluster.local',
    hasHost: () => true,
    workloads,
    secrets: { namespaces: new Set(['shop', 'other']), keys: new Map(Object.entries(keys)) },
  }).map(({ code, path, message }) => ({ found: `${code} ${path.replace('spec.servers[0].tls.', '')}`, message }))

it('finds certificates of Gateways that are in no Secret where their proxies run', () => {
  const absent = (tls: string, secrets: readonly string[], selector?: string, workloads?: KnownWorkload[]) =>
    find(
      toGateway(`{mode: SIMPLE, ${tls}}`, selector),
      Object.fromEntries(secrets.map((key) => [key, undefined])),
      workloads,
    ).map(({ found }) => found)
  const missing = 'dangling_reference credentialName'
  expect(absent('credentialName: a', ['shop/a'])).toEqual([])
  expect(absent('credentialName: a', ['other/a'])).toEqual([missing])
  expect(absent('credentialName: other/a', ['other/a'])).toEqual([])
  expect(absent('credentialNames: [a, b]', ['shop/a'])).toEqual([`${missing}s[1]`])
  const other = { ...web, namespace: 'other' }
  expect(absent('credentialName: a', ['shop/a'], '{app: web}', [web, other])).toEqual([missing])
  const ofPlace = '{app: web, topology.istio.io/cluster: east}'
  expect(absent('credentialName: a', ['third/a'], ofPlace, [web, other])).toEqual([missing])
  expect(absent('credentialName: a', ['shop/a'], ofPlace, [web, other])).toEqual([])
})
it('says nothing of namespaces whose Secrets are not known', () => {
  const gateway = toGateway('{mode: SIMPLE, credentialName: a}')
  expect(find(gateway, {}, [elsewhere])).toEqual([])
  expect(find(gateway, {}, [elsewhere, web])).toHaveLength(1)
  const ofPlace = toGateway('{mode: SIMPLE, credentialName: a}', '{app: web, topology.istio.io/cluster: east}')
  expect(find(ofPlace, {}, [elsewhere, web])).toEqual([])
})

const pair = ['tls.crt', 'tls.key']
const all = [...pair, 'ca.crt']
const ofA = 'dangling_reference credentialName'
const ofCa = 'dangling_reference caCertCredentialName'
it.each<[string, string, Secrets, readonly string[]]>([
  ['a pair', 'mode: SIMPLE', { 'shop/a': pair }, []],
  ['a pair by other names', 'mode: SIMPLE', { 'shop/a': ['cert', 'key'] }, []],
  ['none of its keys', 'mode: SIMPLE', { 'shop/a': ['wrong'] }, [ofA]],
  ['half a pair', 'mode: SIMPLE', { 'shop/a': ['tls.crt', 'ca.crt'] }, [ofA]],
  ['authorities alone', 'mode: SIMPLE', { 'shop/a': ['ca.crt'] }, [ofA]],
  ['keys that nobody knows', 'mode: MUTUAL', { 'shop/a': undefined }, []],
  ['all', 'mode: MUTUAL', { 'shop/a': all }, []],
  ['no authorities', 'mode: MUTUAL', { 'shop/a': pair }, [ofA]],
  ['no authorities, where they are optional', 'mode: OPTIONAL_MUTUAL', { 'shop/a': pair }, [ofA]],
  ['nothing, told once', 'mode: MUTUAL', {}, [ofA]],
  ['authorities beside it', 'mode: MUTUAL', { 'shop/a': pair, 'shop/a-cacert': ['cacert'] }, []],
  ['something else beside it', 'mode: MUTUAL', { 'shop/a': pair, 'shop/a-cacert': ['wrong'] }, [ofA]],
  ['another for authorities', 'mode: MUTUAL, caCertCredentialName: ca', { 'shop/a': pair, 'shop/ca': ['ca.crt'] }, []],
  ['another that is not there', 'mode: MUTUAL, caCertCredentialName: ca', { 'shop/a': all }, [ofCa]],
  ['another without them', 'mode: MUTUAL, caCertCredentialName: ca', { 'shop/a': all, 'shop/ca': pair }, [ofCa]],
  ['another that nobody asks for', 'mode: SIMPLE, caCertCredentialName: ca', { 'shop/a': pair }, []],
])('judges what Secrets hold by their keys: %s', (_, tls, secrets, found) => {
  expect(find(toGateway(`{${tls}, credentialName: a}`), secrets).map((each) => each.found)).toEqual(found)
})
it('says what a Secret lacks', () => {
  const [problem] = find(toGateway('{mode: SIMPLE, credentialName: a}'), { 'shop/a': ['wrong'] })
  expect(problem?.message).toBe('Secret shop/a is of no use: it has neither a certificate nor an authority')
})
