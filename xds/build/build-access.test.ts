import { describe, expect, test } from 'vitest'
import type { Access, AccessRule } from '#xds/model/access.ts'
import type { Authorizer } from '#xds/model/authorizer.ts'
import { toResourceJson } from '#xds/resource-json.ts'
import { buildAccessFilters } from './build-access.ts'

const rule = (name: string): AccessRule => ({
  name: `ns[default]-policy[${name}]-rule[0]`,
  object: `AuthorizationPolicy/default/${name}`,
  who: [{ kind: 'any' }],
  what: [{ kind: 'any' }],
})
const open: Access = { audit: [], deny: [], dryRun: { deny: [] } }

const find = (access: Access, filter: string) => {
  const found = buildAccessFilters(access).find(({ resource }) => resource.name === filter)
  if (!found) throw new Error(`no ${filter}`)
  return found
}
const denies = 'envoy.filters.http.rbac.deny'
const allows = 'envoy.filters.http.rbac'

/** What is served when the words are those: the policies that are left, and the objects that are to blame. */
const fallBack = (access: Access, filter: string, reason: string) => {
  const { type, resource } = find(access, filter)
  return resource.fallbacks?.(reason).map(({ resource: instead, without, isTrial = false }) => ({
    config: toResourceJson(type, instead)['typed_config'],
    without: without.map(({ object }) => object),
    isTrial,
  }))
}

test('without policies filters do nothing, and nothing of them can be refused', () => {
  for (const { type, resource } of buildAccessFilters(open)) {
    expect(toResourceJson(type, resource)['typed_config']).toEqual({
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC',
    })
    expect(resource.fallbacks).toBeUndefined()
  }
})

test('what Envoy refuses is replaced by what denies all, and blamed on whom it names, or on all', () => {
  const access = { ...open, deny: [rule('a'), rule('b')] }
  const nobody = {
    rules: {
      action: 'DENY',
      policies: { 'refused-by-the-proxy': { permissions: [{ any: true }], principals: [{ any: true }] } },
    },
  }
  expect(fallBack(access, denies, 'Policies[ns[default]-policy[b]-rule[0]]: bad')).toMatchObject([
    { config: nobody, without: ['AuthorizationPolicy/default/b'], isTrial: false },
  ])
  expect(fallBack(access, denies, 'bad')).toMatchObject([
    { config: nobody, without: ['AuthorizationPolicy/default/a', 'AuthorizationPolicy/default/b'] },
  ])
})

test('instead of what allows nobody is allowed', () => {
  const [instead] = fallBack({ ...open, allow: [rule('a')] }, allows, 'bad') ?? []
  expect(instead?.config).toMatchObject({ rules: {} })
  expect(instead?.config).not.toHaveProperty('rules.policies')
})

test('what only tells is left out first, and denies nobody', () => {
  const access = { ...open, deny: [rule('a')], dryRun: { deny: [rule('b')] } }
  expect(fallBack(access, denies, 'bad')).toMatchObject([
    {
      config: { rules: { action: 'DENY', policies: { 'ns[default]-policy[a]-rule[0]': {} } } },
      without: ['AuthorizationPolicy/default/b'],
      isTrial: true,
    },
    { config: { rules: { policies: { 'refused-by-the-proxy': {} } } }, isTrial: false },
  ])
  const told = fallBack({ ...open, audit: [rule('c')] }, 'envoy.filters.http.rbac.audit', 'bad')
  expect(told).toMatchObject([{ without: ['AuthorizationPolicy/default/c'], isTrial: true }, {}])
  for (const each of told ?? []) expect(each.config).not.toHaveProperty('rules')
})

describe('of what somebody else is asked about', () => {
  const marks = 'envoy.filters.http.rbac.custom'
  const asks = 'envoy.filters.http.ext_authz'
  const authorizer: Authorizer = {
    upstream: 'authz',
    authority: 'authz.example',
    timeoutMs: 1000,
    failsOpen: true,
    clearsRoute: false,
    speaks: { protocol: 'grpc' },
  }
  const rules = [rule('a'), rule('b')]
  const asked = { ...open, delegated: { rules, authorizer } }
  const everyone = ['AuthorizationPolicy/default/a', 'AuthorizationPolicy/default/b']
  const denial = { rules: { action: 'DENY', policies: { 'ns[default]-policy[a]-rule[0]': {} } } }
  const toConfig = (access: Access, filter: string) => {
    const { type, resource } = find(access, filter)
    return toResourceJson(type, resource)['typed_config']
  }

  test('the mark is the same whoever is asked, and it is denied where nobody can be', () => {
    const unasked = { ...open, delegated: { rules } }
    expect(toConfig(asked, marks)).toEqual(toConfig(unasked, marks))
    expect(toConfig(asked, asks)).toMatchObject({ grpc_service: {}, failure_mode_allow: true })
    expect(toConfig(unasked, asks)).toMatchObject(denial)
  })

  test('what Envoy refuses of the mark denies all, of the question what it is about', () => {
    expect(fallBack(asked, marks, 'policy[b]-rule[0]: bad')).toMatchObject([
      { config: { rules: { action: 'DENY', policies: { 'refused-by-the-proxy': {} } } }, without: everyone },
    ])
    expect(fallBack(asked, marks, 'istio-ext-authz-ns[default]-policy[b]-rule[0]: bad')).toMatchObject([
      { without: everyone.slice(1) },
    ])
    expect(fallBack(asked, asks, 'bad')).toMatchObject([{ config: denial, without: everyone }])
    const [instead] = find(asked, asks).resource.fallbacks?.('bad') ?? []
    expect(instead?.resource.fallbacks?.('bad')).toMatchObject([{ without: everyone.map((object) => ({ object })) }])
  })
})
