import { expect, test } from 'vitest'
import type { CredentialChanges } from '#agent/credentials/credential-source.ts'
import { ProxyCredentials } from '#agent/credentials/proxy-credentials.ts'
import { createLog } from '#agent/log.ts'
import { ok } from '#mesh/result.ts'
import type { Proxy } from '#xds/proxy.ts'
import { typeUrls } from '#xds/type-url.ts'
import { readScene } from '#test/compile/scene.ts'

const scene = `
about: ''
services: []
workloads:
  client-1: {address: 127.0.96.5, labels: {app: client}}
  gateway-1: {address: 127.0.96.6, labels: {istio: edge}}
  gateway-2: {address: 127.0.96.7, labels: {istio: front}}
config:
  - apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: partner, namespace: default}
    spec:
      host: partner.example
      workloadSelector: {matchLabels: {app: client}}
      trafficPolicy: {tls: {mode: MUTUAL, credentialName: partner}}
  - apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: front, namespace: default}
    spec:
      selector: {istio: front}
      servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: front}}]
proxies: [sidecar/default/client-1/client, gateway/default/gateway-1/edge, gateway/default/gateway-2/front]
`

test('a proxy has no Secret that is named for others, and a gateway those of its Gateways whatever its account may read', () => {
  const { store, proxies } = readScene(scene)
  let listener: (changes: CredentialChanges) => void = () => {}
  const credentials = new ProxyCredentials({
    view: store,
    source: {
      start: (given) => (listener = given),
      stop: async () => {},
      isReading: () => false,
      failureOf: () => undefined,
      isForbidden: () => false,
      accessOf: (account) => (account === 'default/client' ? 'allowed' : 'refused'),
    },
    clock: { after: () => () => {} },
    log: createLog('silent'),
    nobody: { certificate: { chainPem: 'nobody', keyPem: 'nobody' }, authorities: { caPem: 'nobody' } },
    onChange: () => {},
  })
  credentials.start()
  for (const proxy of proxies) credentials.attach(proxy)
  credentials.settle()
  const secret = ok({ certificate: { chainPem: 'chain', keyPem: 'key' }, authorities: { caPem: 'authority' } })
  listener(new Map(['default/partner', 'default/front'].map((name) => [name, secret])))
  const toNames = (proxy: Proxy) => credentials.setsOf(proxy).flatMap((set) => [...set.all(typeUrls.secret).keys()])
  expect(proxies.map(toNames)).toEqual([
    ['client-certificate/default/partner', 'mutual-authorities/default/partner'],
    [],
    ['certificate/default/front'],
  ])
})
