import { createHash, generateKeyPairSync } from 'node:crypto'
import { expect, test } from 'vitest'
import { parseKeySet, toServedKeySet } from './key-set.ts'

const rsa = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength })
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve })
const toPublic = ({ publicKey }: ReturnType<typeof rsa>) => publicKey.export({ format: 'jwk' })
const toPrivate = ({ privateKey }: ReturnType<typeof rsa>) => privateKey.export({ format: 'jwk' })
const parse = (...keys: readonly unknown[]) => parseKeySet(JSON.stringify({ keys }))
const keysOf = (result: ReturnType<typeof parseKeySet>): unknown =>
  result.ok ? JSON.parse(result.value.jwks).keys : result.error

const strong = toPublic(rsa(2048))

test.each([
  ['RSA of 2048 bits', strong, 'RSA'],
  ['P-256', toPublic(ec('P-256')), 'EC'],
  ['P-384', toPublic(ec('P-384')), 'EC'],
  ['P-521', toPublic(ec('P-521')), 'EC'],
  ['Ed25519', generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }), 'OKP'],
  ['with use, alg and kid', { ...strong, use: 'sig', alg: 'PS256', kid: 'one' }, 'RSA'],
  ['that is filled up', { ...strong, n: `${strong.n}==` }, 'RSA'],
  ['that may verify', { ...strong, key_ops: ['verify'] }, 'RSA'],
])('takes a key %s', (_name, key, kty) => {
  expect(keysOf(parse(key))).toMatchObject([{ kty }])
})

test.each([
  ['is a shared secret', { kty: 'oct', k: 'c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0', alg: 'HS256' }],
  ['has its private part', toPrivate(rsa(2048))],
  ['has its private part, of EC', toPrivate(ec('P-256'))],
  ['is short', toPublic(rsa(1024))],
  ['is just too short', toPublic(rsa(2040))],
  ['is for encryption', { ...strong, use: 'enc' }],
  ['is for wrapping', { ...strong, key_ops: ['wrapKey'] }],
  ['has an algorithm of encryption', { ...strong, alg: 'RSA-OAEP' }],
  ["has a shared secret's algorithm", { ...strong, alg: 'HS256' }],
  ['has no algorithm at all', { ...strong, alg: 'none' }],
  ['has an even exponent', { ...strong, e: 'AQAA' }],
  ['has the exponent 1', { ...strong, e: 'AQ' }],
  ['is on another curve', { ...toPublic(ec('secp256k1')), crv: 'secp256k1' }],
  ['is of X25519', generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' })],
  ["has another curve's algorithm", { ...toPublic(ec('P-256')), alg: 'ES512' }],
  ['has half a point', { ...toPublic(ec('P-256')), y: 'AAAA' }],
  ['is no base64url', { ...strong, n: `${strong.n}!` }],
  ['is no object', 'key'],
  ['is nothing', null],
])('leaves out a key that %s', (_name, key) => {
  expect(parse(key).ok).toBe(false)
  expect(keysOf(parse(key, { ...strong, kid: 'good' }))).toMatchObject([{ kid: 'good' }])
})

test('keeps nothing but what a key is', () => {
  const key = { ...strong, kid: 'one', x5c: ['MIIC'], x5u: 'https://elsewhere.example', extra: { deep: true } }
  expect(keysOf(parse(key))).toEqual([{ kty: 'RSA', kid: 'one', n: strong.n, e: strong.e }])
})

test('says which keys should not be there', () => {
  const result = parse({ kty: 'oct', k: 'AAAA', kid: 'shared' }, toPrivate(rsa(2048)), toPublic(rsa(1024)), strong)
  expect(result.ok && result.value.warnings).toEqual([
    'key "shared" is a shared secret: it is not used',
    'a key is published with its private part: it is not used',
    'a key has 1024 bits, of which 2048 are the least',
  ])
})

test('is the same for the same keys in another order', () => {
  const other = toPublic(ec('P-256'))
  expect(parse(strong, other)).toEqual(parse(other, strong, other))
})

test.each([
  ['no JSON', 'keys'],
  ['an HTML page', '<html></html>'],
  ['a list', '[]'],
  ['no list', '{"keys":{}}'],
  ['no keys', '{"keys":[]}'],
  ['too many keys', JSON.stringify({ keys: Array.from({ length: 101 }, () => strong) })],
])('refuses %s', (_name, json) => {
  expect(parseKeySet(json).ok).toBe(false)
})

test('serves a set with a key that nobody has, so that it is never empty', () => {
  const x = createHash('sha256').update('Atoll: a key that nobody has').digest('base64url')
  const nobody = { kty: 'OKP', kid: 'nobody', alg: 'EdDSA', crv: 'Ed25519', x }
  expect(JSON.parse(toServedKeySet(undefined))).toEqual({ keys: [nobody] })
  const parsed = parse(strong)
  expect(JSON.parse(toServedKeySet(parsed.ok ? parsed.value.jwks : undefined)).keys).toEqual([
    expect.objectContaining({ n: strong.n }),
    nobody,
  ])
})
