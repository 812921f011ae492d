import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '#test/agent/temporary-directory.ts'
import { loadConfig } from './config.ts'
import { toPlaneConnection, toProxyUrl } from './plane-connection.ts'

const write = (content: object | string): string => {
  const file = join(temporaryDirectory(), 'agent.yaml')
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

const forwarding = (...telemetryForward: object[]) => ({ plane: 'https://p.example', directory: 'a', telemetryForward })

test('a backend has all signals, spans of what took a second, and files beside the configuration', () => {
  const file = write(forwarding({ endpoint: 'https://otlp.example/', headersFile: 'headers', caFile: '/ca.pem' }))
  expect(loadConfig(file, {}, {}).telemetryForward).toEqual([
    {
      endpoint: 'https://otlp.example',
      signals: ['logs', 'metrics', 'traces'],
      slowMilliseconds: 1000,
      headersFile: join(file, '..', 'headers'),
      caFile: '/ca.pem',
    },
  ])
})

test('paths are relative to the file, and the data directory is the file’s own by default', () => {
  const file = write({ plane: 'https://plane.example/', directory: 'registry', joinTokenFile: '/run/token' })
  const folder = join(file, '..')
  expect(loadConfig(file, {}, {})).toMatchObject({
    plane: 'https://plane.example',
    registry: { kind: 'directory', directory: join(folder, 'registry') },
    dataDirectory: folder,
    joinTokenFile: '/run/token',
    xdsAddress: { host: '127.0.0.1', port: 15_010 },
    httpAddress: { host: '127.0.0.1', port: 15_020 },
    logLevel: 'info',
  })
})

test('in Kubernetes everybody may come, and the replica is the pod', () => {
  const file = write({ plane: 'https://plane.example', registry: 'kubernetes', kubeconfig: 'admin.conf' })
  expect(loadConfig(file, {}, {})).toMatchObject({
    registry: { kind: 'kubernetes', kubeconfig: join(file, '..', 'admin.conf'), replica: hostname() },
    xdsAddress: { host: '0.0.0.0', port: 15_010 },
    httpAddress: { host: '0.0.0.0', port: 15_020 },
  })
  const environment = { ATOLL_AGENT_REPLICA: 'agent-1', ATOLL_AGENT_KUBECONFIG: '/etc/kubeconfig' }
  expect(loadConfig(file, {}, environment).registry).toEqual({
    kind: 'kubernetes',
    kubeconfig: '/etc/kubeconfig',
    replica: 'agent-1',
  })
})

test('a flag wins over a variable, a variable over the file', () => {
  const file = write({ plane: 'https://file.example', directory: 'a', logLevel: 'warn', xdsAddress: '[::1]:1' })
  const environment = { ATOLL_AGENT_PLANE: 'https://variable.example', ATOLL_AGENT_LOG_LEVEL: 'debug' }
  expect(loadConfig(file, { plane: 'https://flag.example' }, environment)).toMatchObject({
    plane: 'https://flag.example',
    logLevel: 'debug',
    xdsAddress: { host: '::1', port: 1 },
  })
})

test.each([
  ['plaintext to another machine', { plane: 'http://plane.example', directory: 'a' }, /plane: must be https/],
  ['no directory', { plane: 'https://plane.example' }, /directory:/],
  [
    'files beside Kubernetes',
    { plane: 'https://p.example', registry: 'kubernetes', directory: 'a' },
    /directory: is for a registry of files/,
  ],
  ['a kubeconfig beside files', { plane: 'https://p.example', directory: 'a', kubeconfig: 'b' }, /kubeconfig: is for/],
  ['another registry', { plane: 'https://p.example', registry: 'consul' }, /registry:/],
  ['an unknown field', { plane: 'https://plane.example', directory: 'a', directroy: 'b' }, /directroy/],
  ['no port', { plane: 'https://plane.example', directory: 'a', xdsAddress: '127.0.0.1' }, /xdsAddress: must read/],
  [
    'a port out of range',
    { plane: 'https://p.example', directory: 'a', gateways: ['a:70000'] },
    /gateways.0: must read/,
  ],
  ['no port at all', { plane: 'https://p.example', directory: 'a', gateways: ['a:0'] }, /gateways.0.port/],
  ['a password', { plane: 'https://me:secret@p.example', directory: 'a' }, /plane: must not hold a user name/],
  [
    'secret headers in plaintext',
    forwarding({ endpoint: 'http://otel:4318', headersFile: 'h' }),
    /telemetryForward.0.endpoint: must be https/,
  ],
  ['a signal that is none', forwarding({ endpoint: 'https://a', signals: ['spans'] }), /telemetryForward.0.signals.0/],
  ['a password of a backend', forwarding({ endpoint: 'https://me:secret@a' }), /must hold no user name/],
  ['a backend twice', forwarding({ endpoint: 'https://a' }, { endpoint: 'https://a/' }), /each endpoint once/],
  ['a list', '- a', /not a mapping/],
  ['no YAML', 'a: [', /can't be read as YAML/],
])('refuses %s', (_what, content, reason) => {
  expect(() => loadConfig(write(content), {}, {})).toThrow(reason)
})

test('plaintext is for a plane on this machine', () => {
  const file = write({ plane: 'http://127.0.0.1:8787', directory: 'a' })
  expect(loadConfig(file, {}, {}).plane).toBe('http://127.0.0.1:8787')
})

test('a proxy that is no URL is refused without saying what it is', () => {
  const connect = () => toPlaneConnection({ plane: 'https://plane.example' }, { HTTPS_PROXY: 'me:secret@proxy:port' })
  expect(connect).toThrow(
    expect.objectContaining({ code: 'bad_config', message: expect.not.stringContaining('secret') }),
  )
})

test.each([
  ['https://plane.example', { HTTPS_PROXY: 'http://proxy:3128' }, 'http://proxy:3128'],
  ['https://plane.example', { HTTPS_PROXY: 'http://a', https_proxy: 'http://b' }, 'http://b'],
  ['https://plane.example', { HTTPS_PROXY: 'http://proxy', NO_PROXY: 'other.example, .example' }, undefined],
  ['https://plane.example', { HTTPS_PROXY: 'http://proxy', no_proxy: 'plane.example:8443' }, 'http://proxy'],
  ['https://plane.example:8443', { HTTPS_PROXY: 'http://proxy', no_proxy: 'plane.example:8443' }, undefined],
  ['https://notplane.example', { HTTPS_PROXY: 'http://proxy', NO_PROXY: 'plane.example' }, 'http://proxy'],
  ['https://plane.example', { HTTPS_PROXY: 'http://proxy', NO_PROXY: '*' }, undefined],
  ['http://127.0.0.1:8787', { HTTPS_PROXY: 'http://proxy' }, undefined],
  ['https://plane.example', {}, undefined],
])('on the way to %s with %o', (url, environment, proxy) => {
  expect(toProxyUrl(new URL(url), environment)).toBe(proxy)
})
