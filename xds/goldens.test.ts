import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { readScene } from '#test/compile/scene.ts'
import { createCompiler } from './compiler.ts'
import { toProxyName } from './proxy.ts'
import { toResourceJson } from './resource-json.ts'
import type { ResourceSet } from './resource-set.ts'
import { typeUrls } from './type-url.ts'

const testdata = join(import.meta.dirname, 'testdata')
const updates = process.env.UPDATE_GOLDENS === '1'

const sections = [
  ['listeners', typeUrls.listener],
  ['routes', typeUrls.route],
  ['virtualHosts', typeUrls.virtualHost],
  ['clusters', typeUrls.cluster],
  ['endpoints', typeUrls.endpoint],
] as const

const describeSet = (set: ResourceSet, show: readonly string[] | undefined) =>
  Object.fromEntries(
    sections
      .filter(([section, type]) => (show?.includes(section) ?? true) && set.all(type).size > 0)
      .map(([section, type]) => {
        const resources = [...set.all(type).values()].sort((left, right) => (left.name < right.name ? -1 : 1))
        return [section, resources.map((resource) => toResourceJson(type, resource))]
      }),
  )

const compileScene = (yaml: string): string => {
  const { store, proxies, show } = readScene(yaml, { certificates: '/certificates' })
  const compiler = createCompiler(store)
  const attached = proxies.map((proxy) => [toProxyName(proxy), compiler.attach(proxy).sets] as const)
  const { problems } = compiler.update(new Set(), 1)
  return stringify(
    {
      proxies: Object.fromEntries(attached.map(([name, sets]) => [name, sets.map(({ id }) => id)])),
      problems: problems.map(({ object, message }) => `${object}: ${message}`),
      ...Object.fromEntries(attached.flatMap(([, sets]) => sets.map((set) => [set.id, describeSet(set, show)]))),
    },
    { aliasDuplicateObjects: false, lineWidth: 0 },
  )
}

/** UPDATE_GOLDENS=1 writes what the compiler makes now, and deletes the outputs that have no input any more. */
describe('a scene compiles to its golden', () => {
  const names = readdirSync(join(testdata, 'in'))
  if (updates) {
    rmSync(join(testdata, 'out'), { recursive: true, force: true })
    mkdirSync(join(testdata, 'out'))
  }

  test.each(names)('%s', (name) => {
    const output = compileScene(readFileSync(join(testdata, 'in', name), 'utf8'))
    if (updates) writeFileSync(join(testdata, 'out', name), output)
    expect(output).toBe(readFileSync(join(testdata, 'out', name), 'utf8'))
  })

  test('no golden is left over', () => {
    expect(readdirSync(join(testdata, 'out'))).toEqual(names)
  })
})
