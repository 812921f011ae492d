import { expect, it } from 'vitest'
import { problemsOfSpec } from '#test/kinds/problems-of-spec.ts'

const problems = (spec: object) => problemsOfSpec('ProxyExtension', spec, {}, 'policy.atoll.dev/v1alpha1')
const provider = { name: 'mask' }
const selector = { matchLabels: { app: 'reviews' } }
const gateway = { group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'front' }

it.each<[string, object]>([
  ['a provider', { provider }],
  ['a selector', { provider, selector }],
  ['a target', { provider, targetRefs: [gateway] }],
])('takes %s', (_, spec) => {
  expect(problems(spec)).toEqual([])
})

it.each<[object, string]>([
  [{}, 'invalid spec.provider: is required'],
  [{ provider: {} }, 'invalid spec.provider.name: is required'],
  [{ provider: { name: '' } }, 'invalid spec.provider.name: is required'],
  [{ provider, selector, targetRefs: [gateway] }, 'invalid spec: takes one of selector, targetRefs'],
  [{ provider, code: 'x' }, 'unknown_field spec.code: is not a field'],
])('refuses %j', (spec, expected) => {
  expect(problems(spec)).toEqual([expected])
})
