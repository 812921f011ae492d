import { expect, it } from 'vitest'
import { typeUrls } from '#xds/type-url.ts'
import { ListenerSchema } from '#envoy/envoy/config/listener/v3/listener_pb.ts'
import { encode } from '#xds/build/encode.ts'
import { envoyFilterSpec } from '#mesh/config/envoy-filter.ts'
import { parsePatch } from './parse-patch.ts'
import { createResourcePatcher } from './resource-patcher.ts'
import type { Patch } from './patch.ts'

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
