import { describe, expect, it } from 'vitest'
import { objectKeyOf } from '#mesh/config-object.ts'
import { readMeshConfig, type WrittenMeshConfig } from '#mesh/config/mesh-config.ts'
import { telemetry } from '#mesh/config/telemetry.ts'
import { resolveTelemetry } from './resolve-telemetry.ts'
import { toTelemetryParts } from './telemetry-parts.ts'

const extensionProviders = [
  { name: 'json', envoyFileAccessLog: { path: '/json' } },
  { name: 'zipkin', zipkin: { service: 'zipkin.obs', port: 9411 } },
]
const byDefault = { defaultProviders: { accessLogging: ['json'], tracing: ['zipkin'] } }
const to = (name: string) => ({ providers: [{ name }] })
const errors = { filter: { expression: 'response.code >= 500' } }
const tag = { customTags: { a: { literal: { value: 'b' } } } }
const label = { overrides: [{ tagOverrides: { a: { value: 'request.host' }, b: { operation: 'REMOVE' } } }] }

const partsOf = (specs: Readonly<Record<string, object>>, settings: WrittenMeshConfig = {}) => {
  const objects = Object.entries(specs).map(([name, spec]) => ({
    apiVersion: 'telemetry.istio.io/v1',
    kind: 'Telemetry',
    metadata: { name, namespace: 'shop' },
    spec: telemetry.schema.parse(spec),
  }))
  const resolved = resolveTelemetry(readMeshConfig({ extensionProviders, ...settings }), objects)
  return { resolved, parts: toTelemetryParts(objects, resolved, 'client'), keys: objects.map(objectKeyOf) }
}

describe('the parts of what a proxy tells', () => {
  it.each<[string, Readonly<Record<string, object>>, WrittenMeshConfig, readonly string[]]>([
    ['nothing', {}, {}, []],
    ['what is disabled', { a: { accessLogging: [{ disabled: true }] } }, byDefault, ['MeshConfig']],
    ['a default', {}, byDefault, ['MeshConfig', 'MeshConfig']],
    ['the file', {}, { accessLogFile: '/dev/stdout' }, ['MeshConfig']],
    ['who names a provider', { a: { accessLogging: [to('Json')] }, b: {} }, {}, ['a']],
    ['not who names it for others', { a: { accessLogging: [{ ...to('json'), match: { mode: 'SERVER' } }] } }, {}, []],
    [
      'who filters what is told by default',
      { a: { accessLogging: [errors] } },
      byDefault,
      ['a', 'a+MeshConfig', 'MeshConfig'],
    ],
    ['who names a tracer, and who its tags', { a: { tracing: [to('zipkin')] }, b: { tracing: [tag] } }, {}, ['a+b']],
    ['who adds labels', { a: { metrics: [label] }, b: { metrics: [{ overrides: [{ disabled: true }] }] } }, {}, ['a']],
  ])('have writers: %s', (_, specs, settings, expected) => {
    const writers = partsOf(specs, settings).parts.map((part) =>
      part.writers.map((key) => key.replace('Telemetry/shop/', '')).join('+'),
    )
    expect(writers).toEqual(expected)
  })

  it('can be left out, each by itself', () => {
    const specs = {
      a: { accessLogging: [to('json'), { ...to('atoll'), ...errors }], tracing: [to('zipkin')], metrics: [label] },
    }
    const { parts, resolved } = partsOf(specs)
    const sides = parts.map(({ without }) => without(resolved).client)
    expect(sides.map(({ accessLogging }) => accessLogging.length)).toEqual([1, 1, 2, 2])
    expect(sides.map(({ tracing }) => tracing.provider?.name)).toEqual(['zipkin', 'zipkin', undefined, 'zipkin'])
    expect(sides[2]?.tracing.propagates).toBe(true)
    expect(sides.map(({ metrics }) => metrics.overrides.requests_total?.tags)).toEqual([
      { a: 'request.host', b: undefined },
      { a: 'request.host', b: undefined },
      { a: 'request.host', b: undefined },
      { b: undefined },
    ])
    expect(sides[1]?.accessLogging[0]?.to).toBe('own')
    expect(parts[0]?.without(resolved).server).toBe(resolved.server)
  })
})
