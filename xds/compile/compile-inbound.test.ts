import { expect, test } from 'vitest'
import type { ClientAuthenticationKey } from '#mesh/security/select-client-authentications.ts'
import type { AuthorizationKey } from '#mesh/security/select-authorizations.ts'
import { readScene } from '#test/compile/scene.ts'
import { compileInbound } from './compile-inbound.ts'

const { store } = readScene(`
about: ''
settings: {inboundMtls: permissive}
services:
  - host: server
    ports: [http:80, auto:81, tcp:82]
    endpoints: {server-1: {address: 10.0.0.1, ports: {http: 8080, auto: 8081, tcp: 8082}}}
workloads: {server-1: {address: 10.0.0.1, capture: transparent}}
`)

/** Of the chains that are not of HTTP: by port, or "any other", how many there are, and whether nobody may connect. */
const compile = (clients: string) => {
  const workload = store.workload('default/server-1')
  if (!workload) throw new Error('no workload')
  const { listeners } = compileInbound(
    store,
    workload,
    { sidecar: undefined, policies: '' as AuthorizationKey, clients: clients as ClientAuthenticationKey },
    () => {},
  )
  const { chains, defaultChain } = listeners[0] ?? { chains: [] }
  return [...chains, ...(defaultChain ? [defaultChain] : [])].flatMap(({ match, handler }) =>
    handler.kind === 'tcp' &&
    handler.destinations.some(({ upstream }) => upstream.startsWith('inbound') || !match.destinationPort)
      ? [[match.destinationPort ?? 'any other', handler.access?.allow]]
      : [],
  )
}

test('where clients are asked for keys, nobody connects without one by not being taken for HTTP', () => {
  const told = (closed: unknown) => [
    [8081, closed],
    [8081, closed],
    [8082, undefined],
    [8082, undefined],
    ['any other', closed],
  ]
  expect(compile('')).toEqual(told(undefined))
  expect(compile('mesh/ClientAuthentication/default/a')).toEqual(told([]))
})
