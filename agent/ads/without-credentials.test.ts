import { expect, test } from 'vitest'
import { readScene } from '#test/compile/scene.ts'
import { createCompiler } from '#xds/compiler.ts'
import { toResourceJson } from '#xds/resource-json.ts'
import { typeUrls } from '#xds/type-url.ts'
import { withoutCredentials } from './without-credentials.ts'

/** The listeners of a sidecar whose spans go to this provider, as JSON. */
const compile = (provider: object): string[] => {
  const tracer = { name: 'tracer', ...provider }
  const meshConfig = { extensionProviders: [tracer], defaultProviders: { tracing: ['tracer'] } }
  const { store, proxies } = readScene(
    JSON.stringify({
      about: '',
      settings: { meshConfig },
      services: [
        { host: 'collector', ports: ['grpc:80:grpc', 'http:81:http'], endpoints: { a: { address: '10.0.0.9' } } },
      ],
      workloads: { 'client-1': { address: '10.0.0.1' } },
      proxies: ['sidecar/default/client-1'],
    }),
  )
  const compiler = createCompiler(store)
  const sets = proxies.flatMap((proxy) => compiler.attach(proxy).sets)
  compiler.update(new Set(), 1)
  return sets
    .flatMap((set) => [...set.all(typeUrls.listener)])
    .map(([, resource]) => JSON.stringify(withoutCredentials(toResourceJson(typeUrls.listener, resource))))
}

const headers = [{ name: 'authorization', value: 'let-me-in' }]
test.each([
  [
    'over gRPC',
    { opentelemetry: { service: 'collector.default.svc.cluster.local', port: 80, grpc: { initialMetadata: headers } } },
  ],
  [
    'over HTTP',
    {
      opentelemetry: {
        service: 'collector.default.svc.cluster.local',
        port: 81,
        http: { path: '/v1/traces', headers },
      },
    },
  ],
  ['of Zipkin', { zipkin: { service: 'collector.default.svc.cluster.local', port: 81, headers } }],
  [
    'of SkyWalking',
    { skywalking: { service: 'collector.default.svc.cluster.local', port: 80, accessToken: 'let-me-in' } },
  ],
])('what lets a proxy in at a collector %s is not shown', (_, provider) => {
  const shown = compile(provider).join('\n')
  expect(shown).toContain('[redacted]')
  expect(shown).not.toContain('let-me-in')
})

test('what lets a proxy in at who is asked who may call is not shown', () => {
  const toShown = (value: string) => ({
    typed_config: {
      http_service: { authorization_request: { headers_to_add: [{ key: 'authorization', value }] } },
    },
  })
  expect(withoutCredentials(toShown('let-me-in'))).toEqual(toShown('[redacted]'))
})

test('what clients are let in by is not shown', () => {
  const toShown = (key: string) => ({
    name: 'atoll.client-authentication',
    typed_config: { credentials: [{ key, client: 'ann' }], key_sources: [{ header: 'x-api-key' }] },
  })
  expect(withoutCredentials(toShown('let-me-in'))).toEqual(toShown('[redacted]'))
  const users = { typed_config: { users: { inline_string: 'ann:{SHA}hash' }, forward_username_header: 'x-consumer' } }
  expect(JSON.stringify(withoutCredentials(users))).not.toContain('hash')
})

test('of the code of a module is shown how much it is', () => {
  const toShown = (code: string) => ({
    typed_config: { config: { vm_config: { code: { local: { inline_bytes: code } } } } },
  })
  expect(withoutCredentials(toShown('AGFzbQE='))).toEqual(toShown('[5 bytes]'))
})

test('headers that a route adds are shown', () => {
  const route = { request_headers_to_add: [{ header: { key: 'a', value: 'b' } }] }
  expect(withoutCredentials({ virtual_hosts: [{ routes: [route] }] })).toEqual({ virtual_hosts: [{ routes: [route] }] })
})
