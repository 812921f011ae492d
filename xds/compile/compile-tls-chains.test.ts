import fc from 'fast-check'
import { expect, it } from 'vitest'
import { findUnreachableMatches } from '#mesh/config/unreachable-matches.ts'
import { virtualService } from '#mesh/config/virtual-service.ts'
import { selectTls } from './compile-connection-paths.ts'
import { toPathsAt, type TcpPath } from './compile-service-tcp.ts'
import { compileTlsChains } from './compile-tls-chains.ts'

const ports = [443, 8443]
const addresses = ['10.1.0.1', '10.2.0.1', '11.0.0.1', '12.0.0.1']

const tlsMatch = fc.record({
  sniHosts: fc.uniqueArray(fc.constantFrom('a.org', 'x.a.org', 'X.a.org', '*.a.org', '*.org'), {
    minLength: 1,
    maxLength: 2,
  }),
  destinationSubnets: fc.uniqueArray(fc.constantFrom('10.0.0.0/8', '10.1.0.0/16', '11.0.0.0/8'), { maxLength: 2 }),
  port: fc.constantFrom(undefined, ...ports),
})

const toHandler = (upstream: string): TcpPath['handler'] => ({
  kind: 'tcp',
  statPrefix: '',
  destinations: [{ upstream, weight: 1 }],
  hashesSourceIp: false,
})

it('has no way for the second of two matches where a warning says that nothing comes to it, and nowhere else', () => {
  fc.assert(
    fc.property(tlsMatch, tlsMatch, (...matches) => {
      const tls = matches.map((match, index) => ({
        match: [match],
        route: [{ destination: { host: `to-${index}` } }],
      }))
      const spec = virtualService.schema.parse({ hosts: ['*.org'], tls })
      const object = { apiVersion: '', kind: virtualService.kind, metadata: { name: 'v', namespace: 'default' }, spec }
      const reached = ports.flatMap((port) => {
        const routes = selectTls(object, { clientNamespace: 'default', selectors: new Set(), port })
        const paths = routes.map(({ match, to }) => ({
          ...match,
          handler: toHandler(to.map(({ destination }) => destination.host).join()),
        }))
        return addresses.flatMap(
          (address) => compileTlsChains(toPathsAt(paths, address).map((path) => ({ ...path, hostname: '' }))).chains,
        )
      })
      expect(findUnreachableMatches(spec).tls.length === 0).toBe(JSON.stringify(reached).includes('"to-1"'))
    }),
    { numRuns: 500 },
  )
})
