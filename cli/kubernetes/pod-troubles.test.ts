import { expect, it } from 'vitest'
import { toPodTroubles } from './pod-troubles.ts'

const pod = (name: string, status: object) => ({
  metadata: { name, resourceVersion: '1', labels: {}, annotations: {}, managedFields: [] },
  status,
})

it('says why pods do not run, and nothing of those that do', () => {
  const image = { name: 'agent', state: { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } } }
  const running = { name: 'agent', state: { running: { startedAt: '2026-11-21T12:00:00Z' } } }
  const unscheduled = { type: 'PodScheduled', status: 'False', message: '0/3 nodes are available' }
  expect(
    toPodTroubles([
      pod('a', { containerStatuses: [image] }),
      pod('b', { conditions: [unscheduled] }),
      pod('c', { conditions: [{ type: 'PodScheduled', status: 'True' }], containerStatuses: [running] }),
      pod('d', {}),
    ]),
  ).toEqual(['pod a: ImagePullBackOff: no such image', 'pod b: 0/3 nodes are available'])
})
