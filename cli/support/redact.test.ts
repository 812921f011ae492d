import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { leftOut, redact } from './redact.ts'
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
    ['a number as a password', 'password=123456 {"password":123456}', 'password=[left out] {"password":"[left out]"}'],
    [
      'JSON in JSON',
      String.raw`{"msg":"body {\"password\":\"hunter2, \\\"x\\\"\",\"n\":1}"}`,
      String.raw`{"msg":"body {\"password\":\"[left out]\",\"n\":1}"}`,
    ],
    [
      'JSON in JSON that is cut off',
      String.raw`{"msg":"body {\"password\":\"hunter2, and"}`,
      String.raw`{"msg":"body {\"password\":\"[left out]"}`,
    ],
    ['a value that is cut off', '{"password":"hunter2', '{"password":"[left out]'],
    ['a word before a quote', String.raw`{"msg":"\"cookie: sid=abc\""}`, String.raw`{"msg":"\"cookie: [left out]\""}`],
    ['who asks, in a URL', 'postgres://user:hunter2@db:5432/x', 'postgres://[left out]@db:5432/x'],
    ['an @ in a URL', 'redis://:p@ss@cache', 'redis://[left out]@cache'],
    ['a URL with escaped slashes', String.raw`https:\/\/u:p@host\/x`, String.raw`https:\/\/[left out]@host\/x`],
    ["Python's words", "{'password': 'hunter2, x', 'n': 1}", "{'password': '[left out]', 'n': 1}"],
    ["Ruby's", '{"password"=>"hunter2"}', '{"password"=>"[left out]"}'],
    ["Go's", 'map[Cookie:[sid=abc; b=c] Host:[a]]', 'map[Cookie:[left out] Host:[a]]'],
    [
      "Envoy's",
      "':path', '/'\n'cookie', 'sid=abc'\n'x-api-key', 'abc'",
      "':path', '/'\n'cookie', '[left out]'\n'x-api-key', '[left out]'",
    ],
    ['lists of values', '{"set-cookie": ["a=1", "b=2"]}', '{"set-cookie": ["[left out]"]}'],
    ['lists of headers', '["Authorization","Digest abc","Host","a"]', '["Authorization","[left out]","Host","a"]'],
    [
      'lists of names and values',
      '{"name":"DB_PASSWORD","value":"hunter2"}',
      '{"name":"DB_PASSWORD","value":"[left out]"}',
    ],
    ['XML', '<password>hunter2</password>', '<password>[left out]</password>'],
    ['options of a command', 'run --db-password hunter2 --verbose', 'run --db-password [left out] --verbose'],
    ['a parameter of a URL', 'GET /x?q=1&key=abc&z=2', 'GET /x?q=1&key=[left out]&z=2'],
    ['a signed URL', '/o?X-Amz-Signature=abc123 next', '/o?X-Amz-Signature=[left out] next'],
    ['a key of a cloud', 'used AIzaSyA0123456789abcdefghijklmnopqrstu', 'used [left out]'],
    ['a key with an account', 'AccountName=a;AccountKey=abc==', 'AccountName=a;AccountKey=[left out]'],
    [
      'a token behind an escaped line break',
      String.raw`"x\neyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqb2UifQ.c2ln"`,
      String.raw`"x\n[left out]"`,
    ],
    ['an encrypted token', 'eyJhbGciOiJkaXIifQ..aXY.dGV4dA.dGFn', '[left out]'],
    [
      'a private key with headers',
      '-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIIB\n-----END RSA PRIVATE KEY-----',
      '[left out]',
    ],
    [
      'a private key of PGP',
      '-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOY\n=x\n-----END PGP PRIVATE KEY BLOCK-----',
      '[left out]',
    ],
    [
      'the end of a private key with a short line',
      'MHcCAQEEIHmWl0Ynoxm3ZcW6Yp\nq5ck3g==\n-----END PRIVATE KEY-----',
      '[left out]',
    ],
    ['a private key as a Secret has it', `x: ${Buffer.from(pem).toString('base64')}`, 'x: [left out]'],
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
    Buffer.from('-----BEGIN CERTIFICATE-----\nMIIBIjANBgkqhkiG').toString('base64'),
    'GET https://api.test/api/v1/pods?watch=1&resourceVersion=12&email=a@b.test',
    String.raw`{"msg":"{\"password\":\"\",\"tokens\":3}"}`,
  ])('leaves %s as it is', (text) => {
    expect(redact(text)).toEqual({ text, count: 0 })
  })

  it('leaves JSON to be JSON', () => {
    const value = { token: 'a', list: [{ password: pem }, 'Bearer abcdefghi'], cookie: ['x=y'], kek: true }
    expect(() => JSON.parse(redact(JSON.stringify(value, undefined, 2)).text) as unknown).not.toThrow()
  })

  it('finds any password however deep in strings of JSON it is, and leaves JSON to be JSON', () => {
    const levels = fc.integer({ min: 0, max: 2 })
    const text = fc.stringMatching(/^[ab"\\'{}[\],:=;<>/@ \n\té]{0,12}$/)
    fc.assert(
      fc.property(levels, text, text, fc.constantFrom('password', 'cookie', 'x-token'), (depth, around, tail, name) => {
        const nest = (value: unknown, left: number): string =>
          left === 0 ? JSON.stringify(value) : JSON.stringify({ note: around, msg: nest(value, left - 1) })
        const unnest = (json: string, left: number): unknown => {
          const value: unknown = JSON.parse(json)
          return left === 0 ? value : unnest((value as { msg: string }).msg, left - 1)
        }
        const safe = redact(nest({ a: around, [name]: `planted${tail}planted`, b: [1] }, depth)).text
        expect(safe).not.toContain('planted')
        expect(unnest(safe, depth)).toMatchObject({ [name]: leftOut, b: [1] })
      }),
      { numRuns: 2000 },
    )
  })

  it.each([
    'A',
    '\\',
    'a/',
    '://',
    'password=',
    '"',
    'password="',
    'password:\\"',
    '[',
    "'token','",
    '-----BEGIN PRIVATE KEY-----',
    'MHcCAQEEIHmWl0Ynoxm3\n',
    'eyJhbGciOiJ',
    'token:["a",',
    'https://a',
  ])('ends with a long text of %j', (part) => {
    const long = part.repeat(200_000 / part.length)
    expect(redact(long).text.length).toBeGreaterThan(0)
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

  it.each([
    { queryParams: { key: { exact: 's' }, name: { exact: 's' } } },
    { headers: { name: { exact: 's' }, key: { regex: 's' } } },
    { withoutHeaders: { name: { prefix: 's' } } },
    { headers: { request: { set: { key: 's', name: 's' }, add: { header: 's', headerName: 's' } } } },
    { headers: { key: { exact: 's' }, header: { key: 's', name: 's' } } },
    { headers: [{ name: { exact: 's' }, string_match: { key: 's' } }] },
    { requestHeadersToAdd: [{ header: { key: 'x-key', value: 's' } }] },
    { query_parameters: [{ name: 'key', string_match: { exact: 's' } }] },
  ])('leaves out the value of what is called like a field for names: %j', (spec) => {
    expect(JSON.stringify(withoutPayloads({ match: [spec] }))).not.toContain('"s"')
  })

  it('leaves out numbers as well', () => {
    expect(withoutPayloads({ headers: { request: { set: { pin: 1234 } } }, weight: 5 })).toEqual({
      headers: { request: { set: { pin: leftOut } } },
      weight: 5,
    })
  })
})
