import { expect, it } from 'vitest'
import { findWorkloads } from './find-workloads.ts'

const machine = (kind: string, name: string, spec: Record<string, unknown>) => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace: 'shop' },
  spec,
})
const entry = machine('WorkloadEntry', 'a', { address: '192.0.2.1', labels: { app: 'a' } })
const group = machine('WorkloadGroup', 'b', {
  metadata: { labels: { app: 'b' } },
  template: { labels: { app: 'x', version: 'v1' } },
})
const manifest = (apiVersion: string, kind: string, template: object) => ({
  apiVersion,
  kind,
  metadata: { name: 'c' },
  spec: { template },
})
const labels = { app: 'c' }
const rollout = manifest('argoproj.io/v1alpha1', 'Rollout', { metadata: { labels }, spec: { containers: [] } })
const find = (...manifests: object[]) =>
  findWorkloads([entry, group], manifests, 'own')?.map(({ namespace, labels: { app = '' } }) => `${namespace}/${app}`)

it('knows the workloads where pods are among the files, whatever makes them', () => {
  expect(find(rollout)).toEqual(['own/c', 'shop/a', 'shop/b'])
  expect(findWorkloads([group], [rollout])?.at(-1)?.labels).toEqual({ app: 'b', version: 'v1' })
})
it.each([
  ['machines alone', []],
  ['templates of something else', [manifest('bitnami.com/v1alpha1', 'SealedSecret', { metadata: { labels } })]],
  ['a Rollout whose pods are those of another object', [manifest('argoproj.io/v1alpha1', 'Rollout', {})]],
])('does not know them by %s', (_, manifests) => {
  expect(find(...manifests)).toBeUndefined()
})
