import { describe, expect, test } from 'vitest'
import { trustDomain } from '#mesh/names.ts'
import {
  compileCluster,
  compileNamespace,
  compilePrincipal,
  compileServiceAccount,
  compileText,
  compileTrustDomain,
} from './access-text.ts'

const own = { trustDomain: trustDomain.parse('prod.example'), aliases: ['old.example'] }

describe('a text', () => {
  test.each([
    ['abc', { kind: 'exact', text: 'abc' }],
    ['abc*', { kind: 'prefix', text: 'abc' }],
    ['*abc', { kind: 'suffix', text: 'abc' }],
    ['*', { kind: 'present' }],
    ['a*c', { kind: 'exact', text: 'a*c' }],
    ['*abc*', { kind: 'suffix', text: 'abc*' }],
  ])('%s', (text, expected) => {
    expect(compileText(text)).toEqual(expected)
  })
})

/** An alias never makes a pattern mean more than it says. */
describe('a principal', () => {
  test.each([
    ['prod.example/ns/a/sa/b', { kind: 'exact', text: 'spiffe://prod.example/ns/a/sa/b' }],
    ['old.example/ns/a/sa/b', { kind: 'exact', text: 'spiffe://prod.example/ns/a/sa/b' }],
    ['cluster.local/ns/a/sa/b', { kind: 'exact', text: 'spiffe://prod.example/ns/a/sa/b' }],
    ['old.example/ns/a/*', { kind: 'prefix', text: 'spiffe://prod.example/ns/a/' }],
    ['old.example/*', { kind: 'prefix', text: 'spiffe://prod.example/' }],
    ['other.example/ns/a/sa/b', { kind: 'exact', text: 'spiffe://other.example/ns/a/sa/b' }],
    ['very.old.example/ns/a/sa/b', { kind: 'exact', text: 'spiffe://very.old.example/ns/a/sa/b' }],
    ['old.example.org/ns/a/sa/b', { kind: 'exact', text: 'spiffe://old.example.org/ns/a/sa/b' }],
    ['*old.example/ns/a/sa/b', { kind: 'regex', text: 'spiffe://.*old\\.example/ns/a/sa/b' }],
    ['*/ns/a/sa/b', { kind: 'regex', text: 'spiffe://.*/ns/a/sa/b' }],
    ['old.ex*', { kind: 'prefix', text: 'spiffe://old.ex' }],
    ['old.example', { kind: 'exact', text: 'spiffe://old.example' }],
    ['/ns/a/sa/b', { kind: 'exact', text: 'spiffe:///ns/a/sa/b' }],
    ['*', { kind: 'prefix', text: 'spiffe://' }],
  ])('%s', (text, expected) => {
    expect(compilePrincipal(text, own)).toEqual(expected)
  })
})

test.each([
  ['prod.example', { kind: 'prefix', text: 'spiffe://prod.example/' }],
  ['old.example', { kind: 'prefix', text: 'spiffe://prod.example/' }],
  ['cluster.local', { kind: 'prefix', text: 'spiffe://cluster.local/' }],
  ['prod*', { kind: 'prefix', text: 'spiffe://prod' }],
  ['*.example', { kind: 'regex', text: 'spiffe://[^/]*\\.example/.*' }],
  ['*', { kind: 'prefix', text: 'spiffe://' }],
])('a trust domain: %s', (text, expected) => {
  expect(compileTrustDomain(text, own)).toEqual(expected)
})

test.each([
  ['shop', 'shop'],
  ['sh.p*', 'sh\\.p[^/]*'],
  ['*shop', '[^/]*shop'],
  ['s*p', 's[^/]*p'],
  ['*', '[^/]+'],
])('a namespace: %s', (text, expected) => {
  expect(compileNamespace(text)).toEqual({ kind: 'regex', text: `spiffe://[^/]+/ns/${expected}/sa/[^/]+` })
})

test.each([
  ['shop/cart', 'spiffe://[^/]+/ns/shop/sa/cart'],
  ['cart.v1', 'spiffe://[^/]+/ns/own/sa/cart\\.v1'],
])('a service account: %s', (text, expected) => {
  expect(compileServiceAccount(text, 'own')).toEqual({ kind: 'regex', text: expected })
})

describe('a cluster', () => {
  const names = (cluster: string, text: string) => new RegExp(`^(?:${compileCluster(cluster, own).text})$`).test(text)
  const ofEast = 'cart.shop.east.clusters.prod.example'

  test.each([
    ['east', ofEast, true],
    ['ea*', ofEast, true],
    ['*st', ofEast, true],
    ['*', ofEast, true],
    ['east', 'my.cart.shop.east.clusters.prod.example', true],
    ['east', 'east.clusters.prod.example', true],
    ['*st', 'east.clusters.prod.example', true],
    ['east', 'north-east.clusters.prod.example', false],
    ['east', 'clusters.prod.example', false],
    ['west', ofEast, false],
    ['eas', ofEast, false],
    ['east', 'cart.shop.east.clusters.prod.example.org', false],
    ['east', 'cart.shop.east.clusters.prod-example', false],
    ['east', 'cart.shop.north-east.clusters.prod.example', false],
  ])('%s: %s %s', (cluster, name, expected) => {
    expect(names(cluster, name)).toBe(expected)
  })

  /** What another cluster could write in a certificate. */
  test.each([
    'CN=cart.shop.east.clusters.prod.example',
    'spiffe://prod.example/cart.shop.east.clusters.prod.example',
    'spiffe://prod.example/ns/shop/sa/.east.clusters.prod.example',
    '.east.clusters.prod.example',
  ])('is not told by %s', (text) => {
    expect([names('east', text), names('*', text)]).toEqual([false, false])
  })
})
