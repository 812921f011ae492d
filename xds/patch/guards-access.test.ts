import { expect, it } from 'vitest'
import { typeUrls } from '#xds/type-url.ts'
import { ListenerSchema } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { encode } from '#xds/build/encode.ts'
import { envoyFilterSpec } from '#mesh/config/envoy-filter.ts'
import { guardsAccess } from './guards-access.ts'
import { parsePatch } from './parse-patch.ts'
import { createResourcePatcher } from './resource-patcher.ts'
import type { Patch } from './patch.ts'
import type { Fallback } from '#xds/resource-set.ts'

const router = {
  name: 'envoy.filters.network.tcp_proxy',
  typed_config: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
    stat_prefix: 'a',
    cluster: 'a',
  },
}
const toPatch = (object: string, name: string, type: string): Patch => {
  const { configPatches } = envoyFilterSpec.parse({
    configPatches: [
      {
        applyTo: 'NETWORK_FILTER',
        match: { context: 'SIDECAR_INBOUND' },
        patch: {
          operation: 'INSERT_FIRST',
          value: { name, typed_config: { '@type': `type.googleapis.com/${type}`, stat_prefix: 'p' } },
        },
      },
    ],
  })
  const [first] = configPatches
  const { patch } = first ? parsePatch(object, first) : {}
  if (!patch) throw new Error('no patch')
  return patch
}
const listener = encode(typeUrls.listener, ListenerSchema, 'virtualInbound', {
  name: 'virtualInbound',
  trafficDirection: 1,
  filterChains: [{ filters: [] }],
})
const guard = toPatch('EnvoyFilter/a/guard', 'rbac', 'envoy.extensions.filters.network.rbac.v3.RBAC')
const other = toPatch('EnvoyFilter/a/other', router.name, router.typed_config['@type'].split('/')[1] ?? '')
const withoutOf = (...patches: Patch[]) =>
  createResourcePatcher(patches, 'sidecar')
    .patch(listener)
    ?.resource.fallbacks?.('refused')
    .map(({ without }) => without.map(({ object }) => object).join(' '))

it('leaves out what a proxy refuses, but nothing that keeps somebody out', () => {
  expect(withoutOf(other)).toEqual(['EnvoyFilter/a/other'])
  expect(withoutOf(guard)).toEqual([])
  expect(withoutOf(guard, other)).toEqual(['EnvoyFilter/a/other', 'EnvoyFilter/a/other'])
})

it('leaves out what the words of a proxy name, or each of what may be at fault, at last both', () => {
  const { resource } = listener
  const leave = (object: string) => ({
    resource: { ...resource, version: `without ${object}` },
    without: [{ object, reason: 'refused' }],
  })
  const tryWith = (own: readonly Fallback[]) => {
    const base = { ...listener, resource: { ...resource, fallbacks: () => own } }
    return createResourcePatcher([other], 'sidecar').patch(base)?.resource.fallbacks?.('refused') ?? []
  }
  const toTexts = (found: readonly Fallback[]) =>
    found.map(({ without }) => without.map(({ object }) => object).join(' '))

  expect(toTexts(tryWith([leave('Gateway/a/file')]))).toEqual(['Gateway/a/file'])
  const trials = tryWith([{ ...leave('Telemetry/a/logs'), isTrial: true }])
  expect(toTexts(trials)).toEqual(['EnvoyFilter/a/other', 'Telemetry/a/logs', 'Telemetry/a/logs EnvoyFilter/a/other'])
  expect(trials.flatMap((each) => each.resource.fallbacks?.('refused') ?? [])).toEqual([])
})

const guards = (applyTo: string, value: unknown): boolean => {
  const [first] = envoyFilterSpec.parse({
    configPatches: [{ applyTo, patch: { operation: 'INSERT_FIRST', value } }],
  }).configPatches
  const { patch } = first ? parsePatch('EnvoyFilter/a/b', first) : {}
  if (!patch) throw new Error('no patch')
  return guardsAccess(patch)
}
const http = (type: string, fields = {}) => ({
  name: 'a',
  typed_config: { '@type': `type.googleapis.com/envoy.extensions.filters.http.${type}`, ...fields },
})

it.each<[boolean, string, string, unknown]>([
  [true, 'Lua', 'HTTP_FILTER', http('lua.v3.Lua')],
  [true, 'a filter that Atoll does not know', 'HTTP_FILTER', http('of_my_own.v3.Mine')],
  [
    true,
    'a TypedStruct',
    'HTTP_FILTER',
    {
      name: 'a',
      typed_config: {
        '@type': 'type.googleapis.com/xds.type.v3.TypedStruct',
        type_url: 'type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz',
      },
    },
  ],
  [true, 'a filter without a type', 'HTTP_FILTER', { name: 'a' }],
  [
    true,
    'what a route says to a guard',
    'HTTP_ROUTE',
    { name: 'a', typed_per_filter_config: { rbac: http('rbac.v3.RBACPerRoute').typed_config } },
  ],
  [false, 'buffering', 'HTTP_FILTER', http('buffer.v3.Buffer')],
  [false, 'a route', 'HTTP_ROUTE', { name: 'a', match: { prefix: '/' }, route: { timeout: '1s' } }],
  [true, 'a route that answers itself', 'HTTP_ROUTE', { name: 'a', direct_response: { status: 403 } }],
  [true, 'a host that wants TLS', 'VIRTUAL_HOST', { require_tls: 'ALL' }],
  [true, 'how an EnvoyCluster is spoken to', 'CLUSTER', { name: 'a', transport_socket: { name: 'tls' } }],
  [false, 'an EnvoyCluster', 'CLUSTER', { name: 'a' }],
])('%s: %s may keep somebody out', (expected, _, applyTo, value) => {
  expect(guards(applyTo, value)).toBe(expected)
})
