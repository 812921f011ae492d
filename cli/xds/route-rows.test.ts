import { expect, test } from 'vitest'
import { toRouteRows } from './route-rows.ts'

const toV1 = { cluster: 'v1', timeout: '0s' }
const rowsOf = (route: object) =>
  toRouteRows({ name: '80', virtual_hosts: [{ domains: ['*'], routes: [route] }] }).map(([, , match, to]) => [
    match,
    to,
  ])
const matchOf = (match: object) => rowsOf({ match, route: toV1 })[0]?.[0]
const targetsOf = (route: object) => rowsOf({ match: { prefix: '/' }, ...route }).map(([, to]) => to)

test.each([
  [{ prefix: '/' }, 'prefix /'],
  [{ path_separated_prefix: '/api' }, 'prefix /api'],
  [{ path: '/one' }, 'path /one'],
  [{ safe_regex: { regex: '/v.' } }, 'regex /v.'],
  [{ prefix: '/', headers: [{ name: 'x-canary', string_match: { exact: 'true' } }] }, 'prefix / x-canary=true'],
  [{ prefix: '/', headers: [{ name: ':method', string_match: { exact: 'GET' } }] }, 'prefix / GET'],
  [{ prefix: '/', headers: [{ name: 'a', present_match: true }] }, 'prefix / a'],
  [{ prefix: '/', headers: [{ name: 'a', present_match: false }] }, 'prefix / !a'],
  [{ prefix: '/', headers: [{ name: 'a', invert_match: true, string_match: { prefix: 'b' } }] }, 'prefix / !a=b*'],
  [{ prefix: '/', headers: [{ name: 'a', string_match: { safe_regex: { regex: 'b+' } } }] }, 'prefix / a~b+'],
  [{ prefix: '/', query_parameters: [{ name: 'q', string_match: { exact: 'b' } }] }, 'prefix / ?q=b'],
  [{ prefix: `/${'a'.repeat(60)}` }, `prefix /${'a'.repeat(31)}…`],
])('a match is told in short: %j', (match, expected) => {
  expect(matchOf(match)).toBe(expected)
})

const mirror = (cluster: string, fraction?: object) => ({
  cluster,
  ...(fraction && { runtime_fraction: { default_value: fraction } }),
})
test.each([
  [{ route: toV1 }, ['v1']],
  [{ route: { cluster_header: 'x-to' } }, ['cluster that x-to names']],
  [
    {
      route: {
        weighted_clusters: { clusters: [{ name: 'v1', weight: 90 }, { name: 'v2', weight: 10 }, { name: 'v3' }] },
      },
    },
    ['90% v1', '10% v2', '0% v3'],
  ],
  [
    { route: { ...toV1, timeout: '10s', retry_policy: { num_retries: 3, per_try_timeout: '2s' } } },
    ['v1', 'timeout 10s, retries 3 of 2s'],
  ],
  [
    { route: { ...toV1, retry_policy: { num_retries: 0 }, prefix_rewrite: '/s', host_rewrite_literal: 'b' } },
    ['v1', 'retries 0, host: b, path: /s'],
  ],
  [
    {
      route: {
        ...toV1,
        request_mirror_policies: [mirror('v2', { numerator: 50_000, denominator: 'MILLION' }), mirror('v3')],
      },
    },
    ['v1', 'mirror 5% v2', 'mirror 100% v3'],
  ],
  [{ route: toV1, typed_per_filter_config: { 'envoy.filters.http.fault': {} } }, ['v1', 'faults']],
  [{ redirect: { host_redirect: 'b', path_redirect: '/n', response_code: 'FOUND' } }, ['redirects (302) to b/n']],
  [{ redirect: { https_redirect: true, port_redirect: 8443 } }, ['redirects (301) to https://<host>:8443']],
  [{ direct_response: { status: 503 } }, ['answers 503']],
  [{ non_forwarding_action: {} }, ['-']],
])('where a route goes is told, with what happens on the way: %j', (route, expected) => {
  expect(targetsOf(route)).toEqual(expected)
})

test.each([
  [['a.shop.svc.cluster.local', 'a.shop.svc.cluster.local:80', 'a.shop.svc', 'a.shop', 'a.shop:80', 'a'], 'a.shop +3'],
  [['a.shop.svc.cluster.local', 'a.shop.svc.cluster.local:80'], 'a.shop.svc.cluster.local'],
  [['www.example.com'], 'www.example.com'],
  [['*'], '*'],
])('one of the names of a host is told, and how many more there are: %j', (domains, expected) => {
  expect(toRouteRows({ name: '80', virtual_hosts: [{ domains }] })).toEqual([
    ['80', expected, '-', 'answers 404: no route is for it'],
  ])
})

test('what only redirects, or has no host, is told', () => {
  const name = 'http.80'
  expect(toRouteRows({ name, virtual_hosts: [{ domains: ['a'], require_tls: 'ALL' }] })).toEqual([
    [name, 'a', '-', 'redirects to https'],
  ])
  expect(toRouteRows({ name, virtual_hosts: [] })).toEqual([[name, '-', '-', 'answers 404: no route is for it']])
})
