import { expect, it } from 'vitest'
import { problemsOfSpec } from '#test/kinds/problems-of-spec.ts'
import { clientAuthentication } from './client-authentication.ts'
import { closedAs, parseObject } from './parse-object.ts'

const apiVersion = 'policy.atoll.dev/v1alpha1'
const problems = (spec: object) => problemsOfSpec('ClientAuthentication', spec, {}, apiVersion)
const apiKeys = { secretName: 'shop-keys' }
const selector = { matchLabels: { istio: 'ingressgateway' } }
const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'front' }

it.each<[string, object]>([
  ['keys', { apiKeys }],
  ['passwords', { basic: { secretName: 'shop.users' }, clientHeader: 'X-User' }],
  ['a selector', { apiKeys, selector }],
  ['a target', { apiKeys, targetRefs: [gateway] }],
  [
    'keys from anywhere',
    {
      apiKeys: { ...apiKeys, from: [{ header: 'Authorization' }, { query: 'key' }, { cookie: 'key' }], forward: true },
    },
  ],
])('takes %s', (_, spec) => {
  expect(problems(spec)).toEqual([])
})

it('looks for keys in a header of its own, and takes them out, unless told otherwise', () => {
  const parsed = parseObject(
    { apiVersion, kind: 'ClientAuthentication', metadata: { name: 'a' }, spec: { apiKeys } },
    { defaultNamespace: 'shop' },
  )
  expect(parsed).toMatchObject({
    value: {
      spec: {
        apiKeys: { from: [{ header: 'x-api-key' }], forward: false },
        clientHeader: 'x-consumer',
        wrongPerMinute: 10,
      },
    },
  })
})

const header = 'must be a header that begins with "x-", and none of x-envoy-*, x-forwarded-* and x-request-id'
const secret = 'must be the name of a Secret of this namespace'
const forms = 'takes exactly one of header, query, cookie'
it.each<[object, string]>([
  [{}, 'invalid spec: takes exactly one of apiKeys, basic'],
  [{ apiKeys, basic: { secretName: 'a' } }, 'invalid spec: takes exactly one of apiKeys, basic'],
  [{ apiKeys, selector, targetRefs: [gateway] }, 'invalid spec: takes one of selector, targetRefs'],
  [{ apiKeys: { secretName: 'other/keys' } }, `invalid spec.apiKeys.secretName: ${secret}`],
  [{ basic: { secretName: '' } }, `invalid spec.basic.secretName: ${secret}`],
  [{ apiKeys: { ...apiKeys, from: [] } }, 'invalid spec.apiKeys.from: at least one is required'],
  [{ apiKeys: { ...apiKeys, from: [{}] } }, `invalid spec.apiKeys.from[0]: ${forms}`],
  [{ apiKeys: { ...apiKeys, from: [{ header: 'a', query: 'b' }] } }, `invalid spec.apiKeys.from[0]: ${forms}`],
  [{ apiKeys: { ...apiKeys, from: [{ header: 'a b' }] } }, 'invalid spec.apiKeys.from[0].header: is not a header name'],
  [{ apiKeys: { ...apiKeys, from: [{ query: 'a' }, { query: 'a' }] } }, 'invalid spec.apiKeys.from[1]: is there twice'],
  [
    { apiKeys: { ...apiKeys, from: [{ header: 'X-Consumer' }] } },
    "invalid spec.apiKeys.from[0].header: is clientHeader, which holds the client's name",
  ],
  ...['authorization', ':path', 'x-forwarded-for', 'X-Envoy-Original-Path', 'x-request-id', ''].map(
    (clientHeader): [object, string] => [{ apiKeys, clientHeader }, `invalid spec.clientHeader: ${header}`],
  ),
  [{ apiKeys, wrongPerMinute: -1 }, 'invalid spec.wrongPerMinute: must be at least 0'],
  [{ apiKeys: { ...apiKeys, keys: ['let-me-in'] } }, 'unknown_field spec.apiKeys.keys: is not a field'],
])('refuses %j', (spec, expected) => {
  expect(problems(spec)).toEqual([expected])
})

it('one that is refused is for the same workloads, and lets nobody in', () => {
  const object = { apiVersion, kind: 'ClientAuthentication', metadata: { name: 'a', namespace: 'shop' } }
  const closed = closedAs(clientAuthentication, { ...object, spec: { selector, apiKeys: 7 } })
  expect(closed?.spec).toEqual({ selector, clientHeader: 'x-consumer', wrongPerMinute: 10 })
})
