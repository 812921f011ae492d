import { expect, test } from 'vitest'
import { whatRolloutWaitsFor } from './wait-for-rollout.ts'

const done = { observedGeneration: 4, replicas: 2, updatedReplicas: 2, availableReplicas: 2 }

test.each([
  ['done', done, undefined],
  ['nobody has looked at the change', { ...done, observedGeneration: 3 }, 'the change has not been seen yet'],
  ['no replica yet', { observedGeneration: 4 }, '0 of 2 replicas are new'],
  ['the first is new', { ...done, replicas: 3, updatedReplicas: 1 }, '1 of 2 replicas are new'],
  ['an old one is left', { ...done, replicas: 3 }, '1 old replicas are still there'],
  ['one is not ready', { ...done, availableReplicas: 1 }, '1 of 2 new replicas are available'],
])('a rollout: %s', (_, status, expected) => {
  const metadata = {
    name: 'atoll-agent',
    generation: 4,
    resourceVersion: '1',
    labels: {},
    annotations: {},
    managedFields: [],
  }
  const object = { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { replicas: 2 }, status }
  expect(whatRolloutWaitsFor(object)).toBe(expected)
})
