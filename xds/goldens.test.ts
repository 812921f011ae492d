import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonObject } from '@bufbuild/protobuf'
import { describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { isFields } from '#mesh/is-fields.ts'
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
  ['filters', typeUrls.extensionConfig],
] as const

const describeSet = (set: ResourceSet, show: readonly string[] | undefined) =>
  Object.fromEntries(
    sections
      .filter(([section, type]) => (show?.includes(section) ?? true) && set.all(type).size > 0)
      .map(([section, type]) => {
        const resources = [...set.all(type).values()].sort((left, right) => (left.name < right.name ? -1 : 1))
        const shown = resources.map((resource) => toResourceJson(type, resource)).filter((json) => !isIdle(json))
        return [section, show?.includes('telemetry') ? shown : shown.map(withoutTelemetry)] as const
      })
      .filter(([, shown]) => shown.length > 0),
  )

/** A filter that has nothing to do, as everywhere where nobody has a policy. */
const isIdle = ({ typed_config: config }: JsonObject): boolean =>
  config !== undefined && isFields(config) && Object.keys(config).length === 1

interface Logger {
  readonly name?: string
  readonly typed_config?: { readonly common_config?: { readonly log_name?: string } }
}

/** How every listener tells of its calls is long, and the same everywhere. A scene that is about it names `telemetry` in `show`. */
const isBuiltIn = ({ name, typed_config: config }: Logger): boolean =>
  name === 'envoy.access_loggers.stats' || config?.common_config?.log_name === 'atoll'

const withoutTelemetry = <T>(value: T): T =>
  JSON.parse(JSON.stringify(value), (key, inner: unknown) => {
    if (key !== 'access_log' || !Array.isArray(inner)) return inner
    const others = (inner as Logger[]).filter((log) => !isBuiltIn(log))
    return others.length > 0 ? others : undefined
  }) as T

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
