import { describe, expect, test } from 'vitest'
import { RBACSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import { buildAccessFilters } from '#xds/build/build-access.ts'
import type { Access, AccessRule, CalledFact, CallerFact, Condition } from '#xds/model/access.ts'
import { readServed, unpack } from '#xds/explain/served.ts'
import { toResourceJson } from '#xds/resource-json.ts'
import { typeUrls } from '#xds/type-url.ts'
import { judgeAccess } from './judge-access.ts'
import type { JudgedCall, JudgedRequest } from './judged-call.ts'
import { matchesTemplate } from './match-template.ts'
import { normalisePath } from './normalise-path.ts'

const fact = <Fact>(value: Fact): Condition<Fact> => ({ kind: 'fact', fact: value })
const any = { kind: 'any' } as const
const rule = (name: string, who: Condition<CallerFact> = any, what: Condition<CalledFact> = any): AccessRule => ({
  name,
  object: name,
  who: [who],
  what: [what],
})
const role = fact<CallerFact>({ kind: 'header', name: 'x-role', text: { kind: 'exact', text: 'admin' } })
const group = fact<CallerFact>({ kind: 'claim', path: ['groups'], text: { kind: 'exact', text: 'a' } })
const path = (text: string) => fact<CalledFact>({ kind: 'path', text: { kind: 'exact', text } })
const peer = (text: string) => fact<CallerFact>({ kind: 'peer', text: { kind: 'exact', text } })

/** By the filters that a proxy is served. */
const judge = (access: Partial<Access>, call: JudgedCall) => {
  const built = buildAccessFilters({ audit: [], deny: [], dryRun: { deny: [] }, ...access })
  const typeUrl = typeUrls.extensionConfig
  const { filters } = readServed(
    built.map(({ resource }) => ({ typeUrl, name: resource.name, body: toResourceJson(typeUrl, resource) })),
  )
  const judges = [...filters.values()].flatMap((config) => unpack(config, RBACSchema) ?? [])
  return judgeAccess(
    judges.map(({ rules, shadowRules }) => ({ rules, trial: shadowRules })),
    call,
  )
}

const request: JudgedRequest = {
  method: 'GET',
  authority: 'a',
  path: '/a?b',
  headers: {},
  hasAllHeaders: true,
  claims: {},
}
const call: JudgedCall = {
  peer: { spiffeId: 'spiffe://td/ns/a/sa/b', dnsName: undefined },
  connectedFrom: undefined,
  clientAddress: undefined,
  address: '10.0.0.1',
  port: 80,
  serverName: '',
  request,
}
const unread: JudgedCall = { ...call, request: { ...request, hasAllHeaders: false, claims: undefined } }

describe('what is not known', () => {
  test('is asked for by name where it decides', () => {
    expect(judge({ allow: [rule('r', role)] }, unread)).toMatchObject({
      outcome: 'not-known',
      rule: 'r',
      missing: ['header x-role'],
    })
    expect(judge({ deny: [rule('d', group)] }, unread)).toMatchObject({
      outcome: 'not-known',
      missing: ['claim groups'],
    })
    const far = rule('f', fact({ kind: 'connected-from', block: '10.0.0.0/8' }))
    expect(judge({ deny: [far] }, call)).toMatchObject({ outcome: 'not-known', missing: ['source address'] })
    expect(judge({ deny: [rule('p', peer('spiffe://td/ns/a/sa/b'))] }, { ...call, peer: undefined })).toMatchObject({
      outcome: 'not-known',
      missing: ['caller'],
    })
  })

  test('does not matter where something else decides', () => {
    expect(judge({ allow: [rule('r', role), rule('s')] }, unread)).toMatchObject({ outcome: 'allowed', rule: 's' })
    expect(judge({ deny: [rule('d', role)], allow: [] }, unread)).toMatchObject({ outcome: 'denied' })
    expect(judge({ deny: [rule('d', role), rule('e')] }, unread)).toMatchObject({ outcome: 'denied', rule: 'e' })
    expect(judge({ allow: [rule('r', role, path('/b'))] }, unread)).toMatchObject({ outcome: 'denied' })
  })

  test.each(['user-agent', 'x-request-id', 'x-envoy-decorator-operation', 'content-type'])(
    'are headers that clients and proxies set by themselves: %s',
    (name) => {
      const header = fact<CallerFact>({ kind: 'header', name, text: { kind: 'present' } })
      expect(judge({ deny: [rule('d', header)] }, call)).toMatchObject({ missing: [`header ${name}`] })
    },
  )

  test('is what other filters note', () => {
    const noted = fact<CalledFact>({
      kind: 'metadata',
      filter: 'envoy.filters.http.x',
      key: 'k',
      text: { kind: 'present' },
      isListed: false,
    })
    expect(judge({ deny: [rule('d', any, noted)] }, call)).toMatchObject({ outcome: 'not-known' })
  })
})

test('without a certificate nobody is a caller', () => {
  const not = rule('d', { kind: 'not', of: peer('spiffe://td/ns/a/sa/b') })
  expect(judge({ deny: [not] }, { ...call, peer: 'nobody' })).toMatchObject({ outcome: 'denied' })
  expect(judge({ deny: [not] }, call)).toMatchObject({ outcome: 'allowed', isAsked: true })
})

test('the first by name decides, as Envoy has it, and what is only told decides nothing', () => {
  expect(judge({ deny: [rule('b'), rule('a')] }, call)).toMatchObject({ outcome: 'denied', rule: 'a' })
  expect(judge({}, call)).toEqual({ outcome: 'allowed', isAsked: false })
  expect(judge({ audit: [rule('m')], dryRun: { deny: [], allow: [] } }, call)).toEqual({
    outcome: 'allowed',
    isAsked: false,
    audit: { rule: 'm' },
    trial: { outcome: 'denied' },
  })
  expect(judge({ audit: [rule('m', role)], dryRun: { deny: [rule('d', role)] } }, unread)).toMatchObject({
    audit: { rule: 'm', missing: ['header x-role'] },
    trial: { outcome: 'not-known', rule: 'd' },
  })
})

const plain = { normalises: true, mergesSlashes: false, decodesSlashes: false }
test.each([
  ['/a/../b?x=/../', plain, '/b?x=/../'],
  ['/../a', plain, '/a'],
  ['/a//../b', plain, '/a/b'],
  ['/a/%7e/%2F', plain, '/a/~/%2F'],
  ['/a//b', { ...plain, mergesSlashes: true }, '/a/b'],
  ['/a%2f..%5Cb', { ...plain, decodesSlashes: true }, '/b'],
  ['/a/../b', { ...plain, normalises: false }, '/a/../b'],
  ['/ü', plain, undefined],
  ['/a%zz', plain, undefined],
])('%s with %j is %s', (from, rules, expected) => {
  expect(normalisePath(from, rules)).toBe(expected)
})

test.each([
  ['/a/*', '/a/b', true],
  ['/a/*', '/a/b/c', false],
  ['/a/**', '/a/b/c', true],
  ['/a.b/*', '/axb/c', false],
])('template %s takes %s: %s', (template, at, expected) => {
  expect(matchesTemplate(template, at)).toBe(expected)
})
