import { expect, test } from 'vitest'
import type { ConfigObject } from '../config-object.ts'
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
