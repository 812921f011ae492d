import { expect, test } from 'vitest'
import type { ConfigObject } from '../config-object.ts'
import { authorizationPolicy } from '../config/authorization-policy.ts'
import { sidecar } from '../config/sidecar.ts'
import { clusterName } from '../names.ts'
import { PrecedenceTable } from './precedence-table.ts'

const toObject = (annotations: Record<string, string> = {}): ConfigObject => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'Sidecar',
  metadata: { name: 'a', namespace: 'shop', annotations },
  spec: { egress: [{ hosts: ['*/*'] }] },
})
const key = 'Sidecar/shop/a'

test("what the cluster publishes is no rival of the object that it is, which holds; another cluster's is", () => {
  const table = new PrecedenceTable(sidecar, clusterName.parse('east'))
  table.set('cluster', key, toObject({ 'atoll.dev/publish': 'mesh' }))
  table.set('mesh', key, toObject({ 'atoll.dev/published-by': 'east' }))
  expect(table.problems()).toEqual([])
  expect(table.effective(key)?.origin).toBe('cluster')
  expect(table.holdings()).toMatchObject([{ mesh: undefined }])

  table.set('mesh', key, toObject({ 'atoll.dev/published-by': 'west' }))
  expect(table.problems()).toMatchObject([{ code: 'conflict' }])
  expect(table.effective(key)?.origin).toBe('cluster')

  table.set('cluster', key, null)
  table.set('mesh', key, toObject({ 'atoll.dev/published-by': 'east' }))
  expect(table.effective(key)?.origin).toBe('mesh')
  expect(table.holdings()[0]?.mesh).toBeDefined()
})

const policyKey = 'AuthorizationPolicy/shop/a'
const toPolicy = (spec: ConfigObject['spec'], annotations: Record<string, string> = {}): ConfigObject => ({
  ...toObject(annotations),
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  spec,
})

test('of a kind that adds up none replaces another, whatever the mesh wants', () => {
  const table = new PrecedenceTable(authorizationPolicy, clusterName.parse('east'))
  table.set('cluster', policyKey, toPolicy({ rules: [{}] }))
  table.set('mesh', policyKey, toPolicy({ action: 'DENY', rules: [{}] }, { 'atoll.dev/precedence': 'override' }))
  expect(table.inForce(policyKey).map(({ origin, object }) => [origin, object.spec.action])).toEqual([
    ['mesh', 'DENY'],
    ['cluster', 'ALLOW'],
  ])
  expect(table.problems()).toEqual([])
  expect(table.holdings()[0]).not.toHaveProperty('holder')

  table.set('mesh', policyKey, toPolicy({ rules: [{}] }, { 'atoll.dev/published-by': 'east' }))
  expect(table.inForce(policyKey).map(({ origin }) => origin)).toEqual(['cluster'])
  table.set('cluster', policyKey, null)
  expect(table.inForce(policyKey).map(({ origin }) => origin)).toEqual(['mesh'])
})

test('a policy that is refused is there as one that lets nothing to its own workloads', () => {
  const table = new PrecedenceTable(authorizationPolicy, clusterName.parse('east'))
  const selector = { matchLabels: { app: 'a' } }
  const refused = [{ from: [{ source: { ipBlocks: ['nowhere'] } }] }]
  table.set('cluster', policyKey, toPolicy({ selector, rules: refused }))
  expect(table.inForce(policyKey).map(({ object }) => object.spec)).toMatchObject([
    { selector, action: 'DENY', rules: [{}] },
  ])
  expect(table.problems()).toMatchObject([{ severity: 'error', path: 'spec.rules[0].from[0].source.ipBlocks[0]' }])
  expect(table.holdings()).toMatchObject([{ isClosed: { mesh: false, cluster: true } }])

  table.set('cluster', policyKey, toPolicy({ selector: { matchLabels: { app: '*' } } }))
  expect(table.inForce(policyKey)[0]?.object.spec).not.toHaveProperty('selector')
  table.set('cluster', policyKey, toPolicy({ rules: [{}] }))
  expect(table.holdings()).toMatchObject([{ isClosed: { mesh: false, cluster: false } }])
})
