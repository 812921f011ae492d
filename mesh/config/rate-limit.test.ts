import { expect, it } from 'vitest'
import { problemsOfSpec } from '#test/kinds/problems-of-spec.ts'

const problems = (spec: object) => problemsOfSpec('RateLimit', spec, {}, 'policy.atoll.dev/v1alpha1')
const limit = { name: 'all', requests: 100, per: '1s' }
const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'front' }

it.each<[string, object]>([
  ['a limit', { limits: [limit] }],
  [
    'everything',
    {
      selector: { matchLabels: { app: 'reviews' } },
      limits: [
        {
          ...limit,
          match: {
            methods: ['GET'],
            hosts: ['*.example.com', 'shop.example.com'],
            paths: ['/api/*', '*.json', '*'],
            headers: { 'x-plan': { exact: 'free' }, 'x-other': {} },
          },
          by: [{ peer: 'PRINCIPAL' }, { header: 'x-tenant' }, { request: 'PATH' }, { claim: 'realm.org' }],
          burst: 200,
        },
        { ...limit, name: 'second', per: '24h', by: [{ peer: 'ADDRESS' }], scope: 'PROXY', failOpen: false },
        { ...limit, name: 'mesh', scope: 'MESH', burst: 200, failOpen: false },
        { name: 'day', requests: 1000, calendar: 'DAY', scope: 'MESH', by: [{ header: 'x-api-key' }] },
      ],
    },
  ],
  ['a target', { targetRefs: [gateway], limits: [limit] }],
])('takes %s', (_, spec) => {
  expect(problems(spec)).toEqual([])
})

const inLimit = (fields: object) => ({ limits: [{ ...limit, ...fields }] })
it.each<[object, string]>([
  [{}, 'invalid spec.limits: is required'],
  [{ limits: [] }, 'invalid spec.limits: at least one is required'],
  [{ limits: [limit, limit] }, 'invalid spec.limits[1].name: is the name of another limit, too'],
  [
    { selector: { matchLabels: { a: 'b' } }, targetRefs: [gateway], limits: [limit] },
    'invalid spec: takes one of selector, targetRefs',
  ],
  [inLimit({ name: 'A b' }), 'invalid spec.limits[0].name: is not a name: at most 63 of a-z, 0-9 and "-"'],
  [inLimit({ requests: 0 }), 'invalid spec.limits[0].requests'],
  [inLimit({ requests: 0.5 }), 'invalid spec.limits[0].requests'],
  [inLimit({ burst: 99 }), 'invalid spec.limits[0].burst: must not be less than requests'],
  [inLimit({ per: '10ms' }), 'invalid spec.limits[0].per: must be from 100ms to 24h'],
  [inLimit({ per: '25h' }), 'invalid spec.limits[0].per: must be from 100ms to 24h'],
  [inLimit({ per: 'day' }), 'invalid spec.limits[0].per: must be a duration such as 250ms, 5s, 1h30m'],
  [inLimit({ per: undefined }), 'invalid spec.limits[0]: takes exactly one of per, calendar'],
  [inLimit({ calendar: 'DAY', scope: 'MESH' }), 'invalid spec.limits[0]: takes exactly one of per, calendar'],
  [inLimit({ per: undefined, calendar: 'DAY' }), 'invalid spec.limits[0].calendar: is of limits with scope MESH'],
  [
    inLimit({ per: undefined, calendar: 'DAY', scope: 'MESH', burst: 200 }),
    'invalid spec.limits[0].burst: is of limits with per',
  ],
  [inLimit({ per: '500ms', scope: 'MESH' }), 'invalid spec.limits[0].per: must be from 1s to 24h with scope MESH'],
  [inLimit({ by: [{}] }), 'invalid spec.limits[0].by[0]: takes exactly one of peer, header, request, claim'],
  [
    inLimit({ by: [{ peer: 'ADDRESS', header: 'a' }] }),
    'invalid spec.limits[0].by[0]: takes exactly one of peer, header, request, claim',
  ],
  [inLimit({ by: [{ header: 'a' }, { header: 'a' }] }), 'invalid spec.limits[0].by[1]: is there twice'],
  [inLimit({ by: [{ header: 'a b' }] }), 'invalid spec.limits[0].by[0].header: is not a header name'],
  [inLimit({ by: [{ claim: 'a..b' }] }), 'invalid spec.limits[0].by[0].claim: names a claim, such as sub or realm.org'],
  [inLimit({ by: [{ request: 'HOST' }] }), 'invalid spec.limits[0].by[0].request: must be one of METHOD, PATH'],
  [
    inLimit({ match: { paths: ['/a*b'] } }),
    'invalid spec.limits[0].match.paths[0]: may have one "*", at its beginning or its end',
  ],
  [
    inLimit({ match: { headers: { ':path': {} } } }),
    'invalid spec.limits[0].match.headers[":path"]: is not a header name',
  ],
  [inLimit({ rate: 1 }), 'unknown_field spec.limits[0].rate: is not a field'],
])('refuses %j', (spec, expected) => {
  const found = problems(spec)
  expect(found).toHaveLength(1)
  expect(found[0]).toContain(expected)
})

it('warns of a selector without labels, and of targets that are no gateways', () => {
  expect(problems({ selector: {}, limits: [limit] })).toEqual([
    'warning spec.selector: selects every workload of the namespace',
  ])
  expect(problems({ targetRefs: [{ kind: 'Service', name: 'a' }], limits: [limit] })).toEqual([
    'warning spec.targetRefs[0]: is for waypoints of ambient mode: it selects no proxy',
  ])
})
