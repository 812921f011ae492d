import { expect, test } from 'vitest'
import { placeOf } from '#mesh/workload.ts'
import { selectRequestAuthentications } from '#mesh/security/select-request-authentications.ts'
import { readScene } from '#test/compile/scene.ts'
import { makeWorkload } from '#test/mesh/records.ts'
import { compileTokenCheck } from './compile-token-check.ts'

const key = { kty: 'OKP', crv: 'Ed25519', kid: 'one', x: 'XihnPVGU9-NekjKmJwbLCJ4-9eJUWUz4Byhu3L1Gw-w' }
const toJwks = (...keys: readonly unknown[]) => JSON.stringify({ keys })

interface Written {
  readonly namespace?: string
  readonly spec: unknown
}

interface Wishes {
  /** By the URL. */
  readonly fetched?: Readonly<Record<string, string>>
  /** Whether an object is refused. */
  readonly faulty?: boolean
}

/** What is asked of tokens at a workload with the label app: one, of the default namespace. */
const compile = (objects: Readonly<Record<string, Written>>, { fetched = {}, faulty = false }: Wishes = {}) => {
  const config = Object.entries(objects).map(([name, { namespace = 'default', spec }]) => ({
    apiVersion: 'security.istio.io/v1',
    kind: 'RequestAuthentication',
    metadata: { name, namespace },
    spec,
  }))
  const { store } = readScene(JSON.stringify({ about: '', services: [], config, faulty }), { certificates: '' })
  store.apply(Object.entries(fetched).map(([url, value]) => ({ kind: 'keys' as const, url, value })))
  const place = placeOf(makeWorkload('one', { labels: { app: 'one' } }), store.localCluster)
  const problems: string[] = []
  const report = (object: string, message: string): void => void problems.push(`${object}: ${message}`)
  const {
    rules,
    objects: names,
    refusesAll,
  } = compileTokenCheck(store, selectRequestAuthentications(store, 'default', place), report)
  return { rules, names, refusesAll, problems, issuers: rules.map(({ issuer }) => issuer) }
}

const rule = (issuer: string, fields: object = {}) => ({ jwtRules: [{ issuer, jwks: toJwks(key), ...fields }] })

test('is of the objects of the root namespace and of its own that select the workload', () => {
  const { issuers, names } = compile({
    own: { spec: rule('https://own.example') },
    mine: { spec: { selector: { matchLabels: { app: 'one' } }, ...rule('https://mine.example') } },
    others: { spec: { selector: { matchLabels: { app: 'two' } }, ...rule('https://others.example') } },
    mesh: { namespace: 'atoll-system', spec: rule('https://mesh.example') },
    'of-ones': {
      namespace: 'atoll-system',
      spec: { selector: { matchLabels: { app: 'one' } }, ...rule('https://of-ones.example') },
    },
    elsewhere: { namespace: 'shop', spec: rule('https://elsewhere.example') },
    gateway: {
      spec: {
        targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'one' }],
        ...rule('https://g.example'),
      },
    },
  })
  expect(new Set(issuers)).toEqual(
    new Set(['https://mesh.example', 'https://mine.example', 'https://of-ones.example', 'https://own.example']),
  )
  expect(names).toHaveLength(4)
})

test('has a rule once that two objects say', () => {
  const { issuers } = compile({ one: { spec: rule('https://a.example') }, two: { spec: rule('https://a.example') } })
  expect(issuers).toEqual(['https://a.example'])
})

const kidsOf = (jwks: string | undefined): unknown =>
  JSON.parse(jwks ?? '{"keys":[]}').keys.map(({ kid }: { kid?: string }) => kid)

test('has the keys that were fetched, by where they are, and nobody’s where none are known', () => {
  const { rules } = compile(
    {
      one: {
        spec: {
          jwtRules: [
            { issuer: 'https://a.example', jwksUri: 'https://a.example/keys' },
            { issuer: 'https://b.example/' },
            { issuer: 'https://c.example', jwksUri: 'https://c.example/keys' },
            { issuer: 'somebody@d.example' },
          ],
        },
      },
    },
    {
      fetched: {
        'https://a.example/keys': toJwks({ ...key, kid: 'a' }),
        'https://b.example/.well-known/openid-configuration': toJwks({ ...key, kid: 'b' }),
      },
    },
  )
  expect(rules.map(({ jwks }) => kidsOf(jwks))).toEqual([['a', 'nobody'], ['b', 'nobody'], ['nobody'], ['nobody']])
})

test('leaves out keys that are written down and of no use, and says so', () => {
  const short = { kty: 'RSA', kid: 'short', n: 'w'.repeat(170), e: 'AQAB' }
  const { rules, problems } = compile({
    one: { spec: { jwtRules: [{ issuer: 'a', jwks: toJwks(key, short) }] } },
    two: { spec: { jwtRules: [{ issuer: 'b', jwks: toJwks(short) }] } },
  })
  expect(rules.map(({ jwks }) => kidsOf(jwks))).toEqual([['one', 'nobody'], ['nobody']])
  expect(problems).toEqual([
    expect.stringMatching(/^RequestAuthentication\/default\/one: spec\.jwtRules\[0\]\.jwks: key "short" has 1016 bits/),
    expect.stringMatching(/^RequestAuthentication\/default\/two: .*: every token of it is refused$/),
  ])
})

test('refuses every token where an object was never right', () => {
  const { rules } = compile(
    {
      one: { spec: { jwtRules: [{ issuer: 'a', jwks: 'nonsense', fromHeaders: [{ name: 'x-jwt' }] }] } },
    },
    { faulty: true },
  )
  expect(rules).toMatchObject([{ issuer: 'refused.invalid', places: [{ name: 'x-jwt' }] }])
  expect(kidsOf(rules[0]?.jwks)).toEqual(['nobody'])
})

test('refuses every token where rules look at more places than there may be', () => {
  const names = (prefix: string) => Array.from({ length: 256 }, (_, index) => `${prefix}${index}`)
  const { rules, problems } = compile({
    one: { spec: rule('https://a.example', { fromParams: names('a') }) },
    two: { spec: rule('https://b.example', { fromParams: names('b') }) },
    three: { spec: rule('https://c.example') },
  })
  expect(rules).toMatchObject([{ issuer: 'refused.invalid' }])
  expect(rules[0]?.places).toHaveLength(514)
  expect(problems).toEqual([
    expect.stringContaining('look at more than 512 places together: every token there is refused'),
  ])
})

test('refuses every request where rules look at more places than can be looked at', () => {
  const names = (prefix: string) => Array.from({ length: 256 }, (_, index) => `${prefix}${index}`)
  const { rules, refusesAll, problems } = compile({
    one: {
      spec: {
        jwtRules: ['a', 'b', 'c', 'd', 'e'].map((name) => ({
          issuer: `https://${name}.example`,
          jwks: toJwks(key),
          fromParams: names(name),
        })),
      },
    },
  })
  expect({ rules, refusesAll }).toEqual({ rules: [], refusesAll: true })
  expect(problems).toEqual([expect.stringContaining('more than 512 places together: every request is refused')])
})

test('refuses every token where the keys would be more than a proxy is given', () => {
  const rsa = (index: number) => ({ kty: 'RSA', kid: `${index}`, n: 'w'.repeat(1300), e: 'AQAB' })
  const jwks = toJwks(...Array.from({ length: 100 }, (_, index) => rsa(index)))
  const fromParams = Array.from({ length: 40 }, (_, index) => `p${index}`)
  const { rules, problems } = compile({ one: { spec: { jwtRules: [{ issuer: 'a', jwks, fromParams }] } } })
  expect(rules).toMatchObject([{ issuer: 'refused.invalid' }])
  expect(problems).toEqual([expect.stringContaining('more than 4 MiB of keys')])
})
