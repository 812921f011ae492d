import { expect, test } from 'vitest'
import { selectProtocol } from './select-protocol.ts'

test.each([
  [undefined, 'http', 80, 'http'],
  [undefined, 'http-web', 80, 'http'],
  [undefined, 'HTTP2-api', 80, 'http2'],
  [undefined, 'grpc', 80, 'grpc'],
  [undefined, 'grpc-web', 80, 'grpc-web'],
  [undefined, 'grpc-web-api', 80, 'grpc-web'],
  [undefined, 'https-api', 443, 'https'],
  [undefined, 'tls', 443, 'tls'],
  [undefined, 'tcp-echo', 9000, 'tcp'],
  [undefined, 'mongo', 9000, 'tcp'],
  [undefined, 'httpx', 80, 'auto'],
  [undefined, 'constructor', 80, 'auto'],
  [undefined, '', 80, 'auto'],
  [undefined, 'db', 3306, 'tcp'],
  ['grpc', 'http', 80, 'grpc'],
  ['', 'http', 80, 'http'],
  ['kubernetes.io/h2c', 'tcp', 80, 'http2'],
  ['kubernetes.io/ws', 'tcp', 80, 'http'],
  ['kubernetes.io/wss', 'tcp', 80, 'https'],
  ['example.com/own', 'http', 80, 'auto'],
  ['TLS', 'http', 443, 'tls'],
])('explicit %s, name "%s", port %i: %s', (explicit, name, number, expected) => {
  expect(selectProtocol({ explicit, name, number })).toBe(expected)
})
