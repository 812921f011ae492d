import { describe, expect, test } from 'vitest'
import { waitForRollout, whatRolloutWaitsFor } from './wait-for-rollout.ts'

const done = { observedGeneration: 4, replicas: 2, updatedReplicas: 2, availableReplicas: 2 }

test.each([
  ['done', done, undefined],
  ['nobody has looked at the change', { ...done, observedGeneration: 3 }, 'the change has not been seen yet'],
  ['no replica yet', { observedGeneration: 4 }, '0 of 2 replicas are new'],
  ['the first is new', { ...done, replicas: 3, updatedReplicas: 1 }, '1 of 2 replicas are new'],
  ['an old one is left', { ...done, replicas: 3 }, '1 old replicas are still there'],
  ['one is not ready', { ...done, availableReplicas: 1 }, '1 of 2 new replicas are available'],
])('a rollout: %s', (_, status, expected) => {
  expect(whatRolloutWaitsFor(toDeployment(status))).toBe(expected)
})

const toDeployment = (status: object) => {
  const metadata = {
    name: 'atoll-agent',
    generation: 4,
    resourceVersion: '1',
    labels: {},
    annotations: {},
    managedFields: [],
  }
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { replicas: 2 }, status }
}

describe('the wait for a rollout', () => {
  /** Time passes only while it is waited. */
  const wait = async (statuses: readonly object[]) => {
    const written: string[] = []
    let now = 0
    let asked = 0
    const io = {
      stderr: { write: (text: string) => written.push(text), isTTY: true },
      now: () => now,
      sleep: async (milliseconds: number) => void (now += milliseconds),
    }
    const api = { find: async () => toDeployment(statuses[Math.min(asked++, statuses.length - 1)] ?? done) }
    const ended = waitForRollout({ io }, api, 5, async () => ['pod a: 0/3 nodes are available'])
    return {
      error: await ended.then(
        () => undefined,
        (error: unknown) => error,
      ),
      shown: written.join(''),
    }
  }

  test('shows what it waits for, and why', async () => {
    const { error, shown } = await wait([{ ...done, availableReplicas: 1 }, done])
    expect(error).toBeUndefined()
    expect(shown).toContain(
      'waiting for Deployment atoll-system/atoll-agent: 1 of 2 new replicas are available; pod a: 0/3 nodes are available',
    )
  })

  test('ends when the time is over', async () => {
    const { error } = await wait([{ ...done, availableReplicas: 1 }])
    expect(error).toMatchObject({
      reason: 'notInSync',
      message: 'Deployment atoll-system/atoll-agent is not rolled out after 5 s: 1 of 2 new replicas are available',
    })
  })
})
