import { expect, it } from 'vitest'
import { findPodTroubles } from './pod-troubles.ts'

const pod = (name: string, status: object, metadata: object = {}) => ({
  metadata: { name, resourceVersion: '1', labels: {}, annotations: {}, managedFields: [], ...metadata },
  status,
})
const stuck = (reason: string, message?: string, lastExitCode?: number) => ({
  name: 'agent',
  state: { waiting: { reason, ...(message !== undefined && { message }) } },
  ...(lastExitCode !== undefined && { lastState: { terminated: { exitCode: lastExitCode } } }),
})
const running = { name: 'agent', state: { running: { startedAt: '2026-11-21T12:00:00Z' } } }
const ended = (exitCode: number) => ({ name: 'init', state: { terminated: { exitCode } } })
const unscheduled = { type: 'PodScheduled', status: 'False', message: '0/3 nodes are available' }

it.each([
  [
    'an image that is not there',
    { containerStatuses: [stuck('ImagePullBackOff', 'no such image')] },
    'ImagePullBackOff: no such image',
  ],
  ['no node', { conditions: [unscheduled] }, '0/3 nodes are available'],
  [
    'a process that ends',
    { containerStatuses: [stuck('CrashLoopBackOff', 'back-off', 3)] },
    'CrashLoopBackOff: back-off; it ended with code 3',
  ],
  ['a process that has ended', { initContainerStatuses: [ended(1)] }, 'container init ended with code 1'],
])('says why a pod does not run: %s', (_what, status, text) => {
  expect(findPodTroubles([pod('a', status)])).toMatchObject([{ pod: 'a', text: `pod a: ${text}`, isStarting: false }])
})

it('tells what is so with every pod that starts', () => {
  expect(findPodTroubles([pod('a', { containerStatuses: [stuck('ContainerCreating')] })])).toMatchObject([
    { isStarting: true },
  ])
})

it('says nothing of pods that run, that have nothing to say, and that are to go', () => {
  const status = { containerStatuses: [stuck('ImagePullBackOff')] }
  expect(
    findPodTroubles([
      pod('a', {
        conditions: [{ type: 'PodScheduled', status: 'True' }],
        initContainerStatuses: [ended(0)],
        containerStatuses: [running],
      }),
      pod('b', {}),
      pod('c', status, { deletionTimestamp: '2026-11-21T12:00:00Z' }),
    ]),
  ).toEqual([])
})
