import { expect, it } from 'vitest'
import { pathsOfProblems } from '#test/kinds/problems-of-spec.ts'

const paths = (spec: object) => pathsOfProblems('WorkloadEntry', spec)

it.each<[string, object, string[]]>([
  ['an address', { address: '10.0.0.1' }, []],
  ['a name', { address: 'vm-1.example.org', ports: { http: 80 }, serviceAccount: 'sa', weight: 3 }, []],
  ['an abstract socket', { address: 'unix://@a' }, []],
  ['nothing', {}, ['invalid spec.address']],
  ['only a network: what is behind its gateways', { network: 'west', serviceAccount: 'sa' }, []],
  ['a network of what speaks mesh mTLS', { network: 'west', labels: { 'security.istio.io/tlsMode': 'istio' } }, []],
  ['a network of what its gateways do not pass on', { network: 'west' }, ['warning spec.address']],
  ['an address with a port', { address: '10.0.0.1:80' }, ['invalid spec.address']],
  ['a socket with a relative path', { address: 'unix://a' }, ['invalid spec.address']],
  ['a socket that is a folder', { address: 'unix:///a/' }, ['invalid spec.address']],
  ['a socket with ports', { address: 'unix:///a', ports: { http: 80 } }, ['invalid spec.ports']],
  ['a port that is none', { address: '10.0.0.1', ports: { http: 0 } }, ['invalid spec.ports.http']],
  ['a port name that is none', { address: '10.0.0.1', ports: { 'a b': 80 } }, ['invalid spec.ports["a b"]']],
  ['a network in upper case', { address: '10.0.0.1', network: 'West' }, ['unsupported spec.network']],
  ['a negative weight', { address: '10.0.0.1', weight: -1 }, ['invalid spec.weight']],
  ['a label that is none', { address: '10.0.0.1', labels: { a: 'b c' } }, ['invalid spec.labels.a']],
])('%s', (_, spec, expected) => {
  expect(paths(spec)).toEqual(expected)
})
