import { describe, expect, it } from 'vitest'
import { pathsOfProblems, problemsOfSpec } from '#test/kinds/problems-of-spec.ts'

const paths = (spec: object) => pathsOfProblems('EnvoyFilter', spec, {}, 'networking.istio.io/v1alpha3')
const ofPatch = (patch: unknown) =>
  paths({ priority: 1, configPatches: [patch] }).map((path) => path.replace('spec.configPatches[0]', 'patch'))

const value = { name: 'a' }
const add = { operation: 'ADD', value }
const filter = {
  name: 'envoy.filters.network.http_connection_manager',
  subFilter: { name: 'envoy.filters.http.router' },
}

it('takes what selects, and nothing at all', () => {
  expect(paths({})).toEqual([])
  expect(paths({ workloadSelector: { labels: { app: 'a' } } })).toEqual([])
  expect(paths({ workloadSelector: {} })).toEqual(['warning spec.workloadSelector'])
  expect(paths({ workloadSelector: { labels: { app: '*' } } })).toEqual(['invalid spec.workloadSelector.labels.app'])
  expect(paths({ targetRefs: [{ kind: 'Gateway', name: 'a' }] })).toEqual(['unsupported spec.targetRefs'])
  expect(paths({ priority: 1.5 })).toEqual(['invalid spec.priority'])
})

describe('a patch', () => {
  it.each<[string, unknown, string[]]>([
    ['that is null', null, ['invalid patch']],
    ['of nothing', { patch: add }, ['invalid patch.applyTo']],
    ['of INVALID', { applyTo: 'INVALID', patch: add }, ['unsupported patch.applyTo']],
    ['of a bootstrap', { applyTo: 'BOOTSTRAP', patch: add }, ['unsupported patch.applyTo']],
    ['of an extension', { applyTo: 'EXTENSION_CONFIG', patch: add }, ['unsupported patch.applyTo']],
    ['that is not there', { applyTo: 'CLUSTER' }, ['invalid patch.patch']],
    ['without an operation', { applyTo: 'CLUSTER', patch: { value } }, ['invalid patch.patch.operation']],
    ['without a value', { applyTo: 'CLUSTER', patch: { operation: 'MERGE' } }, ['invalid patch.patch.value']],
    ['that removes', { applyTo: 'CLUSTER', patch: { operation: 'REMOVE' } }, []],
    [
      'for waypoints',
      { applyTo: 'CLUSTER', match: { context: 'WAYPOINT' }, patch: add },
      ['unsupported patch.match.context'],
    ],
    [
      'of a cluster by listener',
      { applyTo: 'CLUSTER', match: { listener: {} }, patch: add },
      ['invalid patch.match.listener'],
    ],
    [
      'of a route by cluster',
      { applyTo: 'HTTP_ROUTE', match: { cluster: {} }, patch: add },
      ['invalid patch.match.cluster'],
    ],
    [
      'of a filter by route',
      { applyTo: 'HTTP_FILTER', match: { routeConfiguration: {} }, patch: add },
      ['invalid patch.match.routeConfiguration'],
    ],
    [
      'by two things',
      { applyTo: 'CLUSTER', match: { cluster: {}, listener: {} }, patch: add },
      ['invalid patch.match.cluster', 'invalid patch.match.listener'],
    ],
    ['of HTTP', { applyTo: 'HTTP_FILTER', match: { listener: { filterChain: { filter } } }, patch: add }, []],
    [
      'of HTTP by the filter of another one',
      {
        applyTo: 'HTTP_FILTER',
        match: { listener: { filterChain: { filter: { ...filter, name: 'a' } } } },
        patch: add,
      },
      ['invalid patch.match.listener.filterChain.filter.subFilter'],
    ],
    [
      'of a connection by a filter of HTTP',
      { applyTo: 'NETWORK_FILTER', match: { listener: { filterChain: { filter } } }, patch: add },
      ['invalid patch.match.listener.filterChain.filter.subFilter'],
    ],
    [
      'by a filter without a name',
      { applyTo: 'HTTP_FILTER', match: { listener: { filterChain: { filter: {} } } }, patch: add },
      ['invalid patch.match.listener.filterChain.filter.name'],
    ],
    [
      'of a listener by filter',
      { applyTo: 'LISTENER', match: { listener: { filterChain: { filter: { name: 'a' } } } }, patch: add },
      ['warning patch.match.listener.filterChain.filter'],
    ],
    [
      'by names of old',
      {
        applyTo: 'HTTP_FILTER',
        match: {
          listener: {
            filterChain: { filter: { name: 'envoy.http_connection_manager', subFilter: { name: 'envoy.router' } } },
            listenerFilter: 'envoy.listener.tls_inspector',
          },
        },
        patch: add,
      },
      [
        'warning patch.match.listener.filterChain.filter.name',
        'warning patch.match.listener.filterChain.filter.subFilter.name',
        'warning patch.match.listener.listenerFilter',
      ],
    ],
    [
      'for a version that is none',
      { applyTo: 'CLUSTER', match: { proxy: { proxyVersion: '(' } }, patch: add },
      ['invalid patch.match.proxy.proxyVersion'],
    ],
    [
      'for a version that is too long',
      { applyTo: 'CLUSTER', match: { proxy: { proxyVersion: 'a'.repeat(1025) } }, patch: add },
      ['warning patch.match.proxy.proxyVersion'],
    ],
    [
      'for metadata that nobody has',
      { applyTo: 'CLUSTER', match: { proxy: { metadata: { FOO: 'a' } } }, patch: add },
      ['warning patch.match.proxy.metadata.FOO'],
    ],
    [
      'that adds a route configuration',
      { applyTo: 'ROUTE_CONFIGURATION', patch: add },
      ['warning patch.patch.operation'],
    ],
    [
      'that replaces a cluster',
      { applyTo: 'CLUSTER', patch: { ...add, operation: 'REPLACE' } },
      ['warning patch.patch.operation'],
    ],
  ])('%s', (_, patch, expected) => {
    expect(ofPatch(patch)).toEqual(expected)
  })

  it.each([
    ['envoy.rate_limit', { name: filter.name, subFilter: { name: 'envoy.rate_limit' } }, 'http.ratelimit'],
    ['envoy.ext_authz of HTTP', { name: filter.name, subFilter: { name: 'envoy.ext_authz' } }, 'http.ext_authz'],
    ['envoy.ext_authz of connections', { name: 'envoy.ext_authz' }, 'network.ext_authz'],
  ])('tells what %s is called today', (_, wanted, name) => {
    const match = { listener: { filterChain: { filter: wanted } } }
    const spec = { priority: 1, configPatches: [{ applyTo: 'HTTP_FILTER', match, patch: add }] }
    const [problem] = problemsOfSpec('EnvoyFilter', spec, {}, 'networking.istio.io/v1alpha3')
    expect(problem).toMatch(new RegExp(`: use "envoy\\.filters\\.${name}"$`))
  })

  it.each(['INSERT_BEFORE', 'INSERT_AFTER', 'REPLACE'])(
    '%s depends on others where no priority says when',
    (operation) => {
      const configPatches = [{ applyTo: 'HTTP_FILTER', patch: { operation, value } }]
      expect(paths({ configPatches })).toEqual(['warning spec.configPatches[0].patch.operation'])
      expect(paths({ configPatches, priority: 1 })).toEqual([])
    },
  )
})
