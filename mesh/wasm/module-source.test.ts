import { expect, test } from 'vitest'
import type { Configured } from '../config-object.ts'
import { wasmPlugin, type WasmPluginSpec } from '../config/wasm-plugin.ts'
import { findModules, maxModules, selectModules } from './module-source.ts'

const plugin = (name: string, spec: object, namespace = 'shop'): Configured<WasmPluginSpec> => ({
  apiVersion: 'extensions.istio.io/v1alpha1',
  kind: 'WasmPlugin',
  metadata: { name, namespace },
  spec: wasmPlugin.schema.parse(spec),
})
const image = 'registry.example/plugin'
const digest = 'a'.repeat(64)

test('plugins of one module have it fetched once', () => {
  const found = findModules([
    plugin('a', { url: `${image}:v1` }),
    plugin('b', { url: `${image}:v1`, pluginConfig: { a: 1 } }),
    plugin('c', { url: `${image}:v1`, sha256: digest }),
  ])
  expect(found.map(({ objects, sha256 }) => [sha256, objects])).toEqual([
    [undefined, ['WasmPlugin/shop/a', 'WasmPlugin/shop/b']],
    [digest, ['WasmPlugin/shop/c']],
  ])
})

test.each<[object, boolean]>([
  [{ url: `${image}:v1` }, false],
  [{ url: `${image}:v1`, imagePullPolicy: 'Always' }, true],
  [{ url: `${image}:latest` }, true],
  [{ url: image }, true],
  [{ url: image, imagePullPolicy: 'IfNotPresent' }, false],
  [{ url: 'https://a.example/x' }, false],
  [{ url: 'https://a.example/x', imagePullPolicy: 'Always' }, true],
  [{ url: 'https://a.example/x', imagePullPolicy: 'Always', sha256: digest }, false],
  [{ url: `${image}@sha256:${digest}`, imagePullPolicy: 'Always' }, false],
])('%j is fetched anew when its object changes: %j', (spec, isRefreshed) => {
  const refreshedBy = (config: object) => findModules([plugin('a', { ...spec, pluginConfig: config })])[0]?.refreshedBy
  expect(refreshedBy({ a: 1 }) !== refreshedBy({ a: 2 })).toBe(isRefreshed)
})

test('who names very many modules keeps no other namespace from its own', () => {
  const crowd = Array.from({ length: 2 * maxModules }, (_, index) =>
    plugin(`a${index}`, { url: `https://a.example/${index}` }),
  )
  const selected = selectModules(findModules([...crowd, plugin('b', { url: 'https://z.example/b' }, 'bank')]))
  expect(selected).toHaveLength(maxModules)
  expect(selected.slice(0, 2).map(({ objects }) => objects)).toContainEqual(['WasmPlugin/bank/b'])
})
