import { expect, it } from 'vitest'
import { extensionProviders } from './extension-providers.ts'

it('takes providers that are asked who may call, and those that proxies run', () => {
  const providers = [
    {
      name: 'authz-http',
      envoyExtAuthzHttp: {
        service: 'policy/authz.example',
        port: '80',
        timeout: '1s',
        failOpen: true,
        statusOnError: '503',
        clearRouteCache: true,
        pathPrefix: '/check',
        includeHeadersInCheck: ['a'],
        includeRequestHeadersInCheck: ['x-user', 'x-*', '*-id'],
        includeAdditionalHeadersInCheck: { 'x-to': '%REQ(:AUTHORITY)%' },
        includeRequestBodyInCheck: { maxRequestBytes: 1024, allowPartialMessage: true },
        headersToUpstreamOnAllow: ['a'],
        headersToDownstreamOnAllow: ['a'],
        headersToDownstreamOnDeny: ['a'],
      },
    },
    { name: 'script', lua: { code: 'x = 1', namespaces: ['shop', '*'] } },
    {
      name: 'processor',
      extProc: {
        service: 'mask.example',
        port: 1,
        timeout: '2s',
        responseBodyMode: 'BUFFERED',
        namespaces: ['a'],
      },
    },
    {
      name: 'authz-grpc',
      envoyExtAuthzGrpc: {
        service: 'authz.example',
        port: 90,
        includeRequestBodyInCheck: { maxRequestBytes: 1, packAsBytes: true },
      },
    },
  ]
  expect(extensionProviders.safeParse(providers).error?.issues).toBeUndefined()
})

it.each([
  { name: 'a', envoyExtAuthzHttp: { service: 'a.example', port: 0 } },
  { name: 'a', envoyExtAuthzHttp: { service: 'a.example', port: 1, statusOnError: '299' } },
  { name: 'a', envoyExtAuthzHttp: { service: 'a.example', port: 1, pathPrefix: 'check' } },
  { name: 'a', envoyExtAuthzHttp: { service: 'a.example', port: 1, headersToUpstreamOnAllow: ['*'] } },
  { name: 'a', envoyExtAuthzHttp: { service: 'a.example', port: 1, includeRequestHeadersInCheck: ['a b'] } },
  { name: 'a', envoyExtAuthzHttp: { service: 'a.example', port: 1, includeAdditionalHeadersInCheck: { a: '%A' } } },
  { name: 'a', envoyExtAuthzGrpc: { service: 'a.example', port: 1, includeRequestBodyInCheck: {} } },
  { name: 'a', envoyExtAuthzGrpc: { service: 'a.example', port: 1, timeout: '0s' } },
  { name: 'a', lua: { namespaces: ['*'] } },
  { name: 'a', lua: { code: 'x = 1', namespaces: ['*a'] } },
  { name: 'a', extProc: { service: 'a.example', port: 1, requestBodyMode: 'ALL' } },
])('refuses %j', (provider) => {
  const [issue] = extensionProviders.safeParse([provider]).error?.issues ?? []
  expect(issue?.path.slice(1, 2)).toEqual([Object.keys(provider)[1]])
  expect(issue?.path.length).toBeGreaterThan(2)
})
