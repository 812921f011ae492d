import { expect, test } from 'vitest'
import { KubernetesApi } from '#cli/kubernetes/kubernetes-api.ts'

const manager = (name: string) => ({ manager: name, operation: 'Apply' })
const toObject = (resourceVersion: string, managers: readonly string[], spec: object) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'a', resourceVersion, managedFields: managers.map(manager) },
  spec,
})

test.each([
  ['unchanged', toObject('1', ['atoll', 'status'], { replicas: 2 })],
  // As the API server answers when the other manager wrote after ours.
  ['unchanged', toObject('2', ['status', 'atoll'], { replicas: 2 })],
  ['changed', toObject('2', ['status', 'atoll'], { replicas: 3 })],
])('an apply is told to have left an object %s by what the object says', async (outcome, after) => {
  const before = toObject('1', ['atoll', 'status'], { replicas: 2 })
  const api = new KubernetesApi({
    server: 'https://kubernetes.test',
    send: ({ method }) => Promise.resolve({ status: 200, text: '', content: method === 'GET' ? before : after }),
  })
  expect(await api.apply({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' } })).toBe(outcome)
})
