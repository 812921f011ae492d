import { describe, expect, it } from 'vitest'
import { pathsOfProblems, problemsOfSpec } from '#test/kinds/problems-of-spec.ts'

const http = { port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }
const https = { port: { number: 443, name: 'https', protocol: 'HTTPS' }, hosts: ['*'] }
const withTls = (tls: object) => ({ servers: [{ ...https, tls }] })
const paths = (spec: object, metadata: object = {}) =>
  pathsOfProblems('Gateway', spec, metadata).map((path) => path.replace('spec.servers[0].', ''))

it('accepts all that it says it supports', () => {
  const files = { serverCertificate: '/cert', privateKey: '/key' }
  const everything = {
    selector: { istio: 'ingressgateway' },
    servers: [
      {
        ...http,
        hosts: ['*', 'a.example.org', '*.example.org', 'shop/*', './b.org', '*/c.org', '10.0.0.1'],
        name: 'a',
      },
      { port: { ...http.port, name: 'redirect', number: 8080 }, hosts: ['*'], tls: { httpsRedirect: true } },
      { port: { name: 'socket', protocol: 'HTTP2' }, bind: 'unix:///run/gateway', hosts: ['*'] },
      { port: { name: 'mongo', protocol: 'mongo', number: 27017 }, bind: '127.0.0.1', hosts: ['*'] },
      { ...https, tls: { mode: 'SIMPLE', credentialName: 'cert', minProtocolVersion: 'TLSV1_3' } },
      {
        port: { ...https.port, name: 'b' },
        hosts: ['b.org'],
        tls: {
          mode: 'MUTUAL',
          ...files,
          caCertificates: '/ca',
          caCrl: '/crl',
          subjectAltNames: ['a'],
          verifyCertificateSpki: ['A'.repeat(43) + '='],
          verifyCertificateHash: ['ab'.repeat(32)],
          maxProtocolVersion: 'TLSV1_2',
          cipherSuites: ['ECDHE-RSA-AES128-GCM-SHA256'],
        },
      },
      {
        port: { ...https.port, name: 'c' },
        hosts: ['c.org'],
        tls: {
          mode: 'OPTIONAL_MUTUAL',
          caCertCredentialName: 'ca',
          credentialNames: ['a', 'b'],
          insecureSkipVerify: true,
        },
      },
      {
        port: { ...https.port, name: 'd' },
        hosts: ['d.org'],
        tls: { mode: 'SIMPLE', tlsCertificates: [files, files] },
      },
      { port: { ...https.port, name: 'e', protocol: 'TLS' }, hosts: ['e.org'], tls: {} },
      { port: { ...https.port, name: 'f', protocol: 'TLS' }, hosts: ['*.local'], tls: { mode: 'AUTO_PASSTHROUGH' } },
      { port: { ...https.port, name: 'g' }, hosts: ['g.org'], tls: { mode: 'ISTIO_MUTUAL' } },
    ],
  }
  expect(problemsOfSpec('Gateway', everything)).toEqual([])
})

describe('servers', () => {
  it.each<[string, object, string[]]>([
    ['none', { servers: [] }, ['invalid spec.servers']],
    ['no host', { servers: [{ ...http, hosts: [] }] }, ['invalid hosts']],
    ['no port', { servers: [{ hosts: ['*'] }] }, ['invalid port']],
    ['no number', { servers: [{ ...http, port: { name: 'a', protocol: 'HTTP' } }] }, ['invalid port.number']],
    ['no name', { servers: [{ ...http, port: { number: 80, protocol: 'HTTP' } }] }, ['invalid port.name']],
    ['no protocol', { servers: [{ ...http, port: { number: 80, name: 'a' } }] }, ['invalid port.protocol']],
    ['one that is none', { servers: [{ ...http, port: { ...http.port, protocol: 'x' } }] }, ['invalid port.protocol']],
    ['targetPort', { servers: [{ ...http, port: { ...http.port, targetPort: 8080 } }] }, ['warning port.targetPort']],
    ['a bind that is none', { servers: [{ ...http, bind: 'a.b' }] }, ['invalid bind']],
    ['a socket with a number', { servers: [{ ...http, bind: 'unix:///a' }] }, ['invalid port.number']],
    ['two ports of one name', { servers: [http, http] }, ['invalid spec.servers[1].port.name']],
    ['a default endpoint', { servers: [{ ...http, defaultEndpoint: '127.0.0.1:80' }] }, ['warning defaultEndpoint']],
  ])('%s', (_, spec, expected) => {
    expect(paths(spec)).toEqual(expected)
  })
  it.each([
    ['~/foo.bar.com', false],
    ['a_b/foo.bar.com', false],
    ['/foo.bar.com', false],
    ['shop/', false],
    ['short', false],
    ['*bar.com', false],
    ['shop/*bar.com', false],
    ['a b.com', false],
    ['shop/a.com', true],
  ])('host %s', (host, isRight) => {
    expect(paths({ servers: [{ ...http, hosts: [host] }] })).toEqual(isRight ? [] : ['invalid hosts[0]'])
  })
  it('may be made by Istio of a Gateway API object', () => {
    const annotations = { 'internal.istio.io/gateway-semantics': 'gateway' }
    expect(paths({ servers: [{ ...http, hosts: ['~/foo.bar.com'] }] }, { annotations })).toEqual([])
  })
  it('belong to an object whose name is a label', () => {
    expect(paths({ servers: [http] }, { name: 'a.b' })).toEqual(['invalid metadata.name'])
  })
})

describe('tls', () => {
  it.each<[string, object, string[]]>([
    ['HTTPS without', { servers: [https] }, ['invalid tls']],
    ['TCP with', { servers: [{ ...http, port: { ...http.port, protocol: 'TCP' }, tls: {} }] }, ['invalid tls']],
    ['HTTP with a mode', { servers: [{ ...http, tls: { mode: 'SIMPLE', credentialName: 'a' } }] }, ['invalid tls']],
    ['HTTP with a file', { servers: [{ ...http, tls: { privateKey: '/a' } }] }, ['invalid tls']],
    ['SIMPLE with nothing', withTls({ mode: 'SIMPLE' }), ['invalid tls.serverCertificate', 'invalid tls.privateKey']],
    ['SIMPLE without a key', withTls({ mode: 'SIMPLE', serverCertificate: 'a' }), ['invalid tls.privateKey']],
    [
      'SIMPLE with revocations',
      withTls({ mode: 'SIMPLE', serverCertificate: 'a', privateKey: 'b', caCrl: 'c' }),
      ['invalid tls.caCrl'],
    ],
    [
      'MUTUAL without a CA',
      withTls({ mode: 'MUTUAL', serverCertificate: 'a', privateKey: 'b' }),
      ['invalid tls.caCertificates'],
    ],
    [
      'several without a key',
      withTls({ mode: 'SIMPLE', tlsCertificates: [{ serverCertificate: 'a' }] }),
      ['invalid tls.tlsCertificates[0].privateKey'],
    ],
    ['two sources', withTls({ mode: 'SIMPLE', credentialName: 'a', credentialNames: ['b'] }), ['invalid tls']],
    ['ISTIO_MUTUAL with files', withTls({ mode: 'ISTIO_MUTUAL', privateKey: 'a' }), ['invalid tls.privateKey']],
    [
      'a hash that is none',
      withTls({ mode: 'SIMPLE', credentialName: 'a', verifyCertificateHash: ['a'] }),
      ['invalid tls.verifyCertificateHash[0]'],
    ],
    ['unused certificates', withTls({ credentialName: 'a' }), ['warning tls.credentialName']],
    ['a redirect of HTTPS', withTls({ httpsRedirect: true }), ['warning tls.httpsRedirect']],
    [
      'cipher suites that are none, or there twice',
      withTls({ mode: 'SIMPLE', credentialName: 'a', cipherSuites: ['x', 'AES128-SHA', 'AES128-SHA'] }),
      ['warning tls.cipherSuites[0]', 'warning tls.cipherSuites[2]'],
    ],
    [
      'old versions',
      withTls({ mode: 'SIMPLE', credentialName: 'a', minProtocolVersion: 'TLSV1_0' }),
      ['warning tls.minProtocolVersion'],
    ],
  ])('%s', (_, spec, expected) => {
    expect(paths(spec)).toEqual(expected)
  })
})
