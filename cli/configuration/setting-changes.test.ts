import { expect, it } from 'vitest'
import { findSettingChanges, toChangeText } from './setting-changes.ts'

const changesOf = (before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>) => {
  const own = { domainSuffix: 'cluster.local', inboundMtls: 'strict' } as const
  return findSettingChanges({ ...own, meshConfig: before }, { ...own, meshConfig: after }).map(toChangeText)
}

it.each([
  [{ rootNamespace: 'a' }, {}, ['rootNamespace: a → atoll-system']],
  [{}, { outboundTrafficPolicy: { mode: 'ALLOW_ANY' }, defaultConfig: {} }, []],
  [{ connectTimeout: '5s', proxyHttpPort: 0 }, {}, ['connectTimeout: 5s → 10s', 'proxyHttpPort: 0 → 15007']],
  [
    { defaultConfig: { drainDuration: '5s', concurrency: 2 } },
    { defaultConfig: { concurrency: 2 } },
    [expect.stringMatching(/^defaultConfig\.drainDuration: 5s → /)],
  ],
  [{}, { trustDomainAliases: ['a', 'b'] }, ['trustDomainAliases: [] → ["a","b"]']],
  [{ accessLogFormat: 'x'.repeat(90) }, {}, [`accessLogFormat: ${'x'.repeat(80)}… → not set`]],
])('from %j to %j', (before, after, expected) => {
  expect(changesOf(before, after)).toEqual(expected)
})

it("has settings of Atoll's own too", () => {
  const settings = { domainSuffix: 'cluster.local', inboundMtls: 'strict', meshConfig: {} } as const
  expect(findSettingChanges(settings, { ...settings, inboundMtls: 'permissive' })).toEqual([
    { field: 'inboundMtls', before: 'strict', after: 'permissive' },
  ])
})
