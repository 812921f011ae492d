import { describe, expect, it } from 'vitest'
import { redact } from './redact.ts'
import { withoutPayloads } from './without-payloads.ts'

const pem = `-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIHmWl0Ynoxm3ZcW6Yp\nq5ck3g==\n-----END EC PRIVATE KEY-----`

describe('redact', () => {
  it.each<[string, string, string]>([
    ['a private key', `before\n${pem}\nafter`, 'before\n[left out]\nafter'],
    ['a private key in JSON', JSON.stringify({ note: pem }), '{"note":"[left out]"}'],
    ['a private key that is cut off', pem.slice(0, 60), '[left out]'],
    [
      'a private key whose beginning is cut off',
      `MHcCAQEEIHmWl0Ynoxm3ZcW6Yp\nMHcCAQEEIHmWl0Ynoxm3ZcW6Yp\n-----END PRIVATE KEY-----`,
      '[left out]',
    ],
    ['a token of ours', 'joined with atoll_join_0123456789abcdef_Zm9v-Zm9v_x.', 'joined with [left out].'],
    ['a JSON web token', 'x eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqb2UifQ.c2ln y', 'x [left out] y'],
    ['a bearer', 'curl -H "Authorization: Bearer 123456789"', 'curl -H "Authorization: [left out]"'],
    ['a key-encryption key', 'kek is dGVzdHMgaGF2ZSBubyBzZWNyZXRzIHRvIGtlZXAgISE= here', 'kek is [left out] here'],
    ['a cookie', 'cookie: session=abc; theme=dark\nnext', 'cookie: [left out]\nnext'],
    [
      'a field that is called so',
      '{"clientSecret": "abc", "password":"a\\"b", "n": 1}',
      '{"clientSecret": "[left out]", "password":"[left out]", "n": 1}',
    ],
    ['a setting that is called so', 'DB_PASSWORD=hunter2 next', 'DB_PASSWORD=[left out] next'],
  ])('leaves out %s', (_, text, safe) => {
    expect(redact(text).text).toBe(safe)
    expect(redact(text).count).toBeGreaterThan(0)
  })

  it.each([
    'atoll_agent_uplink_live 1',
    '{"tokens": 3, "secretName": "tls", "token": null, "authorization": {"exact": "x"}}',
    'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3a94a8fe5ccb19ba61c4c0873',
    'spiffe://lab.atoll.local/ns/shop/sa/frontend',
    '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
  ])('leaves %s as it is', (text) => {
    expect(redact(text)).toEqual({ text, count: 0 })
  })

  it('leaves JSON to be JSON', () => {
    const value = { token: 'a', list: [{ password: pem }, 'Bearer abcdefghi'], cookie: ['x=y'], kek: true }
    expect(() => JSON.parse(redact(JSON.stringify(value, undefined, 2)).text) as unknown).not.toThrow()
  })

  it('takes no more time for each character of a long text than of a short one', () => {
    const long = 'A'.repeat(2_000_000)
    expect(redact(long).text).toHaveLength(2_000_000)
  })
})

describe('withoutPayloads', () => {
  it("leaves out what travels with requests, in Istio's words", () => {
    const spec = {
      hosts: ['reviews'],
      http: [
        {
          match: [{ headers: { 'x-key': { exact: 's' } }, uri: { prefix: '/a' } }],
          headers: { request: { set: { 'x-key': 's' }, remove: ['s'] } },
          directResponse: { status: 503, body: { string: 's' } },
        },
      ],
    }
    const safe = JSON.stringify(withoutPayloads(spec))
    expect(safe).not.toContain('"s"')
    for (const kept of ['reviews', 'x-key', '/a', '503']) expect(safe).toContain(kept)
  })

  it("and in Envoy's", () => {
    const route = {
      match: { prefix: '/', headers: [{ name: 'x-key', string_match: { exact: 's' } }] },
      request_headers_to_add: [{ header: { key: 'x-key', value: 's' }, append_action: 'ADD' }],
      direct_response: { status: 200, body: { inline_string: 's' } },
    }
    const safe = JSON.stringify(withoutPayloads(route))
    expect(safe).not.toContain('"s"')
    for (const kept of ['x-key', 'ADD', '"/"']) expect(safe).toContain(kept)
  })
})
