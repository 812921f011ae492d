import { expect, test } from 'vitest'
import { withoutCredentials } from './without-credentials.ts'

test('what lets proxies in at providers is hidden, and nothing else', () => {
  const secret = { name: 'Authorization', value: 'Bearer secret' }
  const format = { labels: { value: 'stays' } }
  const shown = withoutCredentials({
    rootNamespace: 'root',
    extensionProviders: [
      { name: 'a', opentelemetry: { service: 's', port: 1, http: { path: '/x', headers: [secret] } } },
      { name: 'b', opentelemetry: { service: 's', port: 1, grpc: { initialMetadata: [secret] } } },
      { name: 'c', skywalking: { service: 's', port: 1, accessToken: 'secret' } },
      { name: 'd', envoyFileAccessLog: { path: '/dev/stdout', logFormat: format } },
      { name: 'e', envoyExtAuthzHttp: { service: 's', port: 1, includeAdditionalHeadersInCheck: { key: 'secret' } } },
    ],
  })
  expect(JSON.stringify(shown)).not.toMatch(/secret/)
  const header = { name: 'Authorization', value: '[hidden]' }
  expect(shown).toEqual({
    rootNamespace: 'root',
    extensionProviders: [
      { name: 'a', opentelemetry: { service: 's', port: 1, http: { path: '/x', headers: [header] } } },
      { name: 'b', opentelemetry: { service: 's', port: 1, grpc: { initialMetadata: [header] } } },
      { name: 'c', skywalking: { service: 's', port: 1, accessToken: '[hidden]' } },
      { name: 'd', envoyFileAccessLog: { path: '/dev/stdout', logFormat: format } },
      { name: 'e', envoyExtAuthzHttp: { service: 's', port: 1, includeAdditionalHeadersInCheck: { key: '[hidden]' } } },
    ],
  })
  const plain = { rootNamespace: 'root' }
  expect(withoutCredentials(plain)).toBe(plain)
})
