import { expect, it } from 'vitest'
import { pathsOfProblems } from '#test/kinds/problems-of-spec.ts'

const paths = (spec: object) => pathsOfProblems('WorkloadGroup', { template: {}, ...spec })
const ofProbe = (probe: object) => paths({ probe }).map((path) => path.replace('spec.probe', 'probe'))

it('accepts all that it says it takes', () => {
  const everything = {
    metadata: { labels: { app: 'a' }, annotations: { b: 'c' } },
    template: { ports: { http: 80 }, labels: { app: 'a' }, network: 'west', serviceAccount: 'sa', weight: 1 },
    probe: {
      initialDelaySeconds: 1,
      timeoutSeconds: 0,
      httpGet: { path: '/', port: 80, host: '::1', scheme: 'HTTPS', httpHeaders: [{ name: 'x-a', value: 'b' }] },
    },
  }
  expect(paths(everything)).toEqual([])
  expect(ofProbe({ tcpSocket: { port: 5 } })).toEqual([])
})

it('needs a template and labels that are some', () => {
  expect(paths({ template: undefined })).toEqual(['invalid spec.template'])
  expect(paths({ metadata: { labels: { '.': '~' } } })).toEqual([
    'invalid spec.metadata.labels["."]',
    'invalid spec.metadata.labels["."]',
  ])
})

it.each<[string, object, string[]]>([
  ['no method', {}, ['invalid probe']],
  ['two methods', { tcpSocket: { port: 1 }, httpGet: { port: 1 } }, ['invalid probe']],
  ['a command', { exec: { command: ['a'] } }, ['unsupported probe.exec']],
  ['the name of a host', { tcpSocket: { port: 1, host: 'a' } }, ['unsupported probe.tcpSocket.host']],
  ['no port', { httpGet: {} }, ['invalid probe.httpGet.port']],
  ['another scheme', { httpGet: { port: 1, scheme: 'http' } }, ['invalid probe.httpGet.scheme']],
  [
    'a header that is none',
    { httpGet: { port: 1, httpHeaders: [{ name: 'a_b' }] } },
    ['invalid probe.httpGet.httpHeaders[0].name'],
  ],
  ['a negative count', { tcpSocket: { port: 1 }, periodSeconds: -1 }, ['invalid probe.periodSeconds']],
  ['gRPC', { grpc: { port: 1 } }, ['unsupported probe.grpc']],
])('a probe with %s', (_, probe, expected) => {
  expect(ofProbe(probe)).toEqual(expected)
})
