import { expect, test } from 'vitest'
import type { Judgement } from '#mesh/status/judge-objects.ts'
import { VirtualClock } from '#test/agent/virtual-clock.ts'
import { ObjectStatuses } from './object-statuses.ts'

const judgement: Judgement = { undecided: new Set(), clusterConditions: () => [], meshTroubles: [] }

/** One that takes `cost` for a look, and the times of its looks. */
const watch = (cost = 0) => {
  const clock = new VirtualClock(0)
  const state = { isKnown: true, spent: 0 }
  const looks: number[] = []
  let handed = 0
  const statuses = new ObjectStatuses({
    clock,
    elapsed: () => clock.now() + state.spent,
    judge: () => {
      looks.push(clock.now())
      state.spent += cost
      return state.isKnown ? judgement : undefined
    },
    onJudgement: () => (handed += 1),
  })
  return { clock, statuses, looks, state, handed: () => handed }
}

test('what changes together is looked at once, soon after', () => {
  const { clock, statuses, looks, handed } = watch()
  for (let index = 0; index < 100; index += 1) statuses.changed()
  clock.advance(10_000)
  expect(looks).toEqual([300])
  expect(handed()).toBe(1)
})

test('what goes on changing is looked at once a second, and less often where looking is dear', () => {
  for (const [cost, most] of [
    [0, 60],
    [200, 6],
  ] as const) {
    const { clock, statuses, looks } = watch(cost)
    for (let tick = 0; tick < 600; tick += 1) {
      statuses.changed()
      clock.advance(100)
    }
    expect(looks.length).toBeLessThanOrEqual(most)
    expect(looks.length).toBeGreaterThan(most * 0.7)
  }
})

test('nothing is handed on as long as too little is known, or after the end', () => {
  const { clock, statuses, looks, state, handed } = watch()
  state.isKnown = false
  statuses.changed()
  clock.advance(1000)
  expect(looks).toHaveLength(1)
  state.isKnown = true
  statuses.changed()
  statuses.stop()
  clock.advance(10_000)
  expect(handed()).toBe(0)
})
