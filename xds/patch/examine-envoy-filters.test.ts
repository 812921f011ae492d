import { expect, test } from 'vitest'
import { examineEnvoyFilters } from './examine-envoy-filters.ts'

const lua = 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua'

const packed = (type: string, fields: object) => ({
  metadata: { typed_filter_metadata: { a: { '@type': `type.googleapis.com/google.protobuf.${type}`, ...fields } } },
})

const problemsOf = (applyTo: string, value: object, operation = 'ADD') =>
  examineEnvoyFilters([
    {
      apiVersion: 'networking.istio.io/v1alpha3',
      kind: 'EnvoyFilter',
      metadata: { name: 'a', namespace: 'default' },
      spec: { configPatches: [{ applyTo, patch: { operation, value } }] },
    },
  ]).map(({ severity, code, path, message }) => {
    expect(path).toBe('spec.configPatches[0].patch.value')
    return `${severity} ${code}: ${message}`
  })

test.each<[string, string, object, RegExp[]]>([
  ['a cluster', 'CLUSTER', { name: 'a', connect_timeout: '0.25s', lb_policy: 'RANDOM' }, []],
  [
    "with durations in Go's notation",
    'CLUSTER',
    {
      name: 'a',
      connect_timeout: '500ms',
      dnsRefreshRate: '1m0.5s',
      health_checks: [
        { timeout: '1h', interval: '0', unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} },
      ],
    },
    [],
  ],
  ['with what is no duration', 'CLUSTER', { connect_timeout: '5 minutes' }, [/^error invalid: .*5 minutes/]],
  ['with what only begins as a duration', 'CLUSTER', { connect_timeout: '5sec' }, [/^error invalid: .*5sec/]],
  ['with a duration of too many parts', 'CLUSTER', { connect_timeout: '1s'.repeat(33) }, [/^error invalid: .*1s/]],
  ['with a negative duration', 'CLUSTER', { connect_timeout: '-1s' }, []],
  ['with a duration by itself', 'CLUSTER', { name: 'a', ...packed('Duration', { value: '500ms' }) }, []],
  ['with what is no duration by itself', 'CLUSTER', packed('Duration', { value: 'soon' }), [/^error invalid: .*soon/]],
  ['with nothing by itself', 'CLUSTER', { name: 'a', ...packed('Struct', {}) }, []],
  [
    'of the wrong type',
    'CLUSTER',
    { connect_timeout: 5 },
    [/^error invalid: is not a envoy.config.cluster.v3.Cluster: /],
  ],
  ['with a value that an enum has not', 'CLUSTER', { lb_policy: 'BEST' }, [/^warning unknown_field: .*BEST/]],
  ['with a field that there is not', 'CLUSTER', { surprise: 1 }, [/^warning unknown_field: .*surprise/]],
  ['a filter', 'HTTP_FILTER', { name: 'a', typed_config: { '@type': lua, inline_code: 'a' } }, []],
  [
    'a filter by name only',
    'HTTP_FILTER',
    { name: 'envoy.filters.http.lua' },
    [/^warning invalid: has no typed_config/],
  ],
  [
    'a wrong field within',
    'HTTP_FILTER',
    { name: 'a', typed_config: { '@type': lua, inline_code: 1 } },
    [/^error invalid/],
  ],
  [
    'of version 2',
    'HTTP_FILTER',
    { name: 'a', typed_config: { '@type': 'type.googleapis.com/envoy.config.filter.http.lua.v2.Lua' } },
    [/^error unsupported: envoy.config.filter.http.lua.v2.Lua is of version 2/],
  ],
  [
    'that is misspelt',
    'HTTP_FILTER',
    { name: 'a', typed_config: { '@type': `${lua}PerRute` } },
    [/did you mean envoy.extensions.filters.http.lua.v3.LuaPerRoute\?$/],
  ],
  [
    "that Istio's proxy has",
    'HTTP_FILTER',
    { name: 'a', typed_config: { '@type': 'type.googleapis.com/stats.PluginConfig' } },
    [/^error unsupported: stats.PluginConfig is no type of Envoy$/],
  ],
  [
    'that only Envoy knows',
    'HTTP_FILTER',
    { name: 'a', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.new.v3.New', a: [1] } },
    [/^warning unsupported: envoy.extensions.filters.http.new.v3.New is not among .* in seconds \("0.5s"\)$/],
  ],
])('a value %s', (_, applyTo, value, expected) => {
  const problems = problemsOf(applyTo, value)
  expect(problems).toHaveLength(expected.length)
  for (const [index, pattern] of expected.entries()) expect(problems[index]).toMatch(pattern)
})
