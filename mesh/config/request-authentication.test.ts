import { expect, it } from 'vitest'
import { pathsOfProblems, problemsOfSpec } from '#test/kinds/problems-of-spec.ts'
import { closedAs } from './parse-object.ts'
import { jwksUriOf, requestAuthentication } from './request-authentication.ts'
import { readPublicKeys } from './schema/json-web-keys.ts'

const apiVersion = 'security.istio.io/v1beta1'
const problems = (spec: object) => pathsOfProblems('RequestAuthentication', spec, {}, apiVersion)
const problemsOfRule = (rule: object) =>
  problems({ jwtRules: [{ issuer: 'https://a.example', ...rule }] }).map((each) => each.replace('spec.jwtRules[0]', ''))

const rsa = { kty: 'RSA', kid: 'one', alg: 'RS256', n: 'xAE7', e: 'AQAB' }
const ec = { kty: 'EC', crv: 'P-256', x: 'a_-', y: 'b' }
const keys = (...listed: unknown[]) => JSON.stringify({ keys: listed })
const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'foo' }

it.each<[string, object]>([
  ['nothing', {}],
  ['no rules', { jwtRules: [] }],
  ['a target', { targetRefs: [gateway], jwtRules: [{ issuer: 'https://a.example' }] }],
  ['keys somewhere without an issuer', { jwtRules: [{ jwksUri: 'http://a.example:8080/keys?a=b' }] }],
  ['its name in protobuf', { jwtRules: [{ issuer: 'a', jwks_uri: 'https://[::1]:8443/keys' }] }],
  ['an issuer that is no URL, with keys', { jwtRules: [{ issuer: 'a@b.example', jwks: keys(rsa) }] }],
  [
    'everything',
    {
      selector: { matchLabels: { app: 'httpbin', version: '' } },
      jwtRules: [
        {
          issuer: 'https://a.example',
          audiences: ['a', 'b'],
          jwks: keys(rsa, ec, { kty: 'OKP', crv: 'Ed25519', x: 'a==' }, { ...rsa, alg: 'RSA-OAEP', use: 'enc' }),
          fromHeaders: [{ name: 'x-jwt-assertion', prefix: 'Bearer ' }, { name: 'Authorization' }],
          fromParams: ['token'],
          fromCookies: ['auth-token'],
          outputPayloadToHeader: 'x-jwt-payload',
          forwardOriginalToken: true,
          outputClaimToHeaders: [{ header: 'x-group', claim: 'nested.key.group' }],
          timeout: '2s',
          spaceDelimitedClaims: ['roles'],
        },
      ],
    },
  ],
])('takes %s', (_, spec) => {
  expect(problems(spec)).toEqual([])
})

it.each<[string, object, string]>([
  ['two ways to select', { selector: {}, targetRef: gateway }, 'invalid spec'],
  ['an issuer of which nothing is known', { jwtRules: [{ audiences: ['a'] }] }, 'invalid spec.jwtRules[0].issuer'],
  ['keys of nobody', { jwtRules: [{ jwks: keys(rsa) }] }, 'invalid spec.jwtRules[0].issuer'],
  ['a rule that is null', { jwtRules: [null] }, 'invalid spec.jwtRules[0]'],
])('refuses %s', (_, spec, expected) => {
  expect(problems(spec)).toContain(expected)
})

it.each<[string, object, string]>([
  ['keys in two places', { jwks: keys(rsa), jwksUri: 'https://a.example' }, 'invalid '],
  ['two places', { jwks_uri: 'https://a.example', jwksUri: 'https://a.example' }, 'invalid '],
  ...[
    'a.example',
    'ftp://a.example',
    'https:///keys',
    'https://user:secret@a.example/keys',
    'https://a b/',
    'https://a.example:0/',
    'https://a.example:65536/',
    'https://a.example/\nb',
    `https://a.example/${'a'.repeat(2048)}`,
  ].map((jwksUri): [string, object, string] => [`keys at ${jwksUri.slice(0, 40)}`, { jwksUri }, 'invalid .jwksUri']),
  ...[
    'foo',
    '[]',
    JSON.stringify(rsa),
    keys({ kty: 'oct', k: 'c2VjcmV0' }),
    keys({ kty: 'DSA' }),
    keys({ kty: 'RSA', e: 'AQAB' }),
    keys({ ...rsa, n: 'not base64' }),
    keys({ ...ec, crv: 'secp256k1' }),
    keys(null),
    keys(...Array.from({ length: 257 }, () => rsa)),
  ].map((jwks): [string, object, string] => [`the keys ${jwks.slice(0, 60)}`, { jwks }, 'invalid .jwks']),
  ['an audience without a name', { audiences: [''] }, 'invalid .audiences[0]'],
  ['a header without a name', { fromHeaders: [{ prefix: 'a' }] }, 'invalid .fromHeaders[0].name'],
  ['what is no header', { fromHeaders: [{ name: 'a b' }] }, 'invalid .fromHeaders[0].name'],
  ['a parameter without a name', { fromParams: [''] }, 'invalid .fromParams[0]'],
  ['a cookie without a name', { fromCookies: ['a', ''] }, 'invalid .fromCookies[1]'],
  ['a payload in no header', { outputPayloadToHeader: 'a:b' }, 'invalid .outputPayloadToHeader'],
  ['a claim in no header', { outputClaimToHeaders: [{ claim: 'a' }] }, 'invalid .outputClaimToHeaders[0].header'],
  ['no claim', { outputClaimToHeaders: [{ header: 'a' }] }, 'invalid .outputClaimToHeaders[0].claim'],
  [
    'a claim in what is no header',
    { outputClaimToHeaders: [{ header: 'abc%123', claim: 'a' }] },
    'invalid .outputClaimToHeaders[0].header',
  ],
  ['no time', { timeout: '0s' }, 'invalid .timeout'],
  ['a claim without a name', { spaceDelimitedClaims: [''] }, 'invalid .spaceDelimitedClaims[0]'],
  ['many claims', { spaceDelimitedClaims: Array.from({ length: 65 }, () => 'a') }, 'invalid .spaceDelimitedClaims'],
  ['an unknown field', { clockSkew: '1m' }, 'unknown_field .clockSkew'],
])('refuses %s', (_, rule, expected) => {
  expect(problemsOfRule(rule)).toEqual([expected])
})

it('says why a shared secret is none to write down', () => {
  const spec = { jwtRules: [{ issuer: 'a', jwks: keys(rsa, { kty: 'oct', k: 'c2VjcmV0' }) }] }
  expect(problemsOfSpec('RequestAuthentication', spec, {}, apiVersion)).toEqual([
    'invalid spec.jwtRules[0].jwks: key 1: kty is oct, a secret: whoever reads it here could make tokens. Proxies are given public keys alone',
  ])
})

it('warns of what no token passes, and of what should not be here', () => {
  expect(problems({ selector: {} })).toEqual(['warning spec.selector'])
  expect(problems({ jwtRules: [{ issuer: 'a@b.example' }] })).toEqual(['warning spec.jwtRules[0].issuer'])
  expect(problemsOfRule({ jwks: keys() })).toEqual(['warning .jwks'])
  expect(problemsOfRule({ jwks: keys({ ...rsa, d: 'aaaa' }) })).toEqual(['warning .jwks'])
  expect(
    problemsOfRule({
      outputClaimToHeaders: [
        { header: 'X-A', claim: 'a' },
        { header: 'x-a', claim: 'b' },
      ],
    }),
  ).toEqual(['warning .outputClaimToHeaders[1].header'])
})

it('gives public members of keys alone to who compiles', () => {
  expect(readPublicKeys(keys({ ...rsa, d: 'aaaa', p: 'bbbb', x5c: ['c'] }, ec))).toEqual([rsa, ec])
})

it('refuses all tokens where it is refused, wherever its rules look for them', () => {
  const spec = {
    selector: { matchLabels: { app: 'a' } },
    jwtRules: [{ issuer: 'https://a.example', jwks: 'none', fromCookies: ['session'] }, { fromHeaders: 'none' }],
  }
  const closed = closedAs(requestAuthentication, {
    apiVersion,
    kind: 'RequestAuthentication',
    metadata: { name: 'a', namespace: 'shop' },
    spec,
  })?.spec
  expect(closed?.selector).toEqual(spec.selector)
  expect(closed?.jwtRules).toMatchObject([
    { issuer: 'refused.invalid', jwks: '{"keys":[]}', fromCookies: ['session'] },
    { issuer: 'refused.invalid', jwks: '{"keys":[]}' },
  ])
})

it('reads where keys are by both names', () => {
  expect(jwksUriOf({ jwks_uri: 'https://a.example' })).toBe('https://a.example')
})
