import { expect, test } from 'vitest'
import { ResourceStore } from '#agent/registry/kubernetes/resource-store.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import { authorizationPolicy } from '#mesh/config/authorization-policy.ts'
import { readConfigObject } from './read-config-object.ts'

const selector = (app: string) => ({ matchLabels: { app } })
const policy = (spec: object) => ({
  metadata: { name: 'a', namespace: 'shop', uid: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec,
})
const wrong = { rules: [{ from: [{ source: { ipBlocks: ['nowhere'] } }] }] }

test('a policy that was never right is closed for whom it is; one that was goes on meaning what it meant', () => {
  const store = new ResourceStore<ConfigObject>(readConfigObject(authorizationPolicy), () => {})
  const spec = () => store.objects.get('shop/a')?.spec
  store.set(policy({ selector: selector('one'), ...wrong }))
  expect(store.objects.get('shop/a')).toMatchObject({
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name: 'a', namespace: 'shop', creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { selector: selector('one'), action: 'DENY', rules: [{}] },
  })
  expect(store.problems()).toMatchObject([{ path: 'spec.rules[0].from[0].source.ipBlocks[0]' }])
  store.set(policy({ selector: selector('two'), ...wrong }))
  expect(spec()).toMatchObject({ selector: selector('two'), action: 'DENY' })
  store.set(policy({ selector: selector('three'), rules: [{}] }))
  expect(spec()).toEqual({ selector: selector('three'), rules: [{}] })
  store.set(policy({ selector: selector('four'), ...wrong }))
  expect(spec()).toEqual({ selector: selector('three'), rules: [{}] })
  store.delete(policy({}))
  store.set(policy({ selector: 'nobody', rules: [{}] }))
  expect(spec()).toEqual({ action: 'DENY', rules: [{}] })
})
