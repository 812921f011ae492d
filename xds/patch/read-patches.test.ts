import { expect, it } from 'vitest'
import { readScene } from '#test/compile/scene.ts'
import { createCompiler } from '#xds/compiler.ts'
import type { ProxyResources } from '#xds/compiler.ts'
import { typeUrls } from '#xds/type-url.ts'

const toScene = (value: string) =>
  readScene(`
about: ''
services: [{host: a, ports: [http:80]}]
workloads: {client-1: {address: 127.0.77.1}, client-2: {address: 127.0.77.2}}
config:
  - apiVersion: networking.istio.io/v1alpha3
    kind: EnvoyFilter
    metadata: {name: guard, namespace: default}
    spec: {configPatches: [{applyTo: HTTP_FILTER, match: {context: ANY}, patch: {operation: INSERT_FIRST, value: ${value}}}]}
proxies: [sidecar/default/client-1, sidecar/default/client-2]
`)

const filter = (type: string, fields = '') =>
  `{name: f, typed_config: {'@type': type.googleapis.com/envoy.${type}${fields}}}`

const toListeners = ({ sets }: ProxyResources) =>
  sets.flatMap((set) => [...set.all(typeUrls.listener).values()].map(({ version }) => version)).toSorted()

/** What a proxy has before and after the patch changes, and one that comes then. */
const changeTo = (value: string) => {
  const { store, proxies } = toScene(filter('extensions.filters.http.rbac.v3.RBAC'))
  const [old, newcomer] = proxies
  if (!old || !newcomer) throw new Error('no proxies')
  const compiler = createCompiler(store)
  const resources = compiler.attach(old)
  const before = toListeners(resources)
  expect(before).not.toEqual([])
  const { problems } = compiler.update(store.apply(toScene(value).changes), 1)
  return { before, after: toListeners(resources), fresh: toListeners(compiler.attach(newcomer)), problems }
}

it.each([
  ['of a version that Envoy has no more', filter('config.filter.http.lua.v2.Lua')],
  ['of fields that it has not', filter('extensions.filters.http.rbac.v3.RBAC', ', rules: 1')],
  ['of a type that is nowhere', '{name: f, typed_config: 1}'],
])(
  'keeps what a proxy has, and gives a new one nothing, while a patch that may guard can not be read: %s',
  (_, value) => {
    const { before, after, fresh, problems } = changeTo(value)
    expect(after).toEqual(before)
    expect(fresh).toEqual([])
    expect(problems.map(({ object }) => object)).toContain('EnvoyFilter/default/guard')
  },
)

it('leaves out what it can not read of a filter that lets all through', () => {
  const { before, after, fresh, problems } = changeTo(
    filter('extensions.filters.http.buffer.v3.Buffer', ', max_request_bytes: x'),
  )
  expect(after).not.toEqual(before)
  expect(after).not.toEqual([])
  expect(fresh).not.toEqual([])
  expect(problems.map(({ object }) => object)).toContain('EnvoyFilter/default/guard')
})
