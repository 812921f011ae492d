import { expect, test } from 'vitest'
import { toObjectProblems } from '#agent/uplink/to-object-problems.ts'
import type { Condition } from '#mesh/status/condition.ts'
import { agentMessage, UPLINK_MAX_MESSAGE_CHARS } from '#mesh/uplink.ts'
import { ScriptedUplink } from './scripted-uplink.ts'
import { entry } from './uplink-fixture.ts'

const toTrouble = (name: string, message = '') => {
  const condition: Condition = { type: 'atoll.dev/Effective', status: 'False', reason: 'ClusterObjectHolds', message }
  return { key: `VirtualService/shop/${name}`, condition }
}

const capable = ['object-problems', 'objects-judged', 'something-later']

/** One that is the reporter and has nothing more to say. */
const reporting = (capabilities: readonly string[]): ScriptedUplink => {
  const scripted = new ScriptedUplink()
  scripted.greet({ capabilities })
  const position = { epoch: 'e1', sequence: 1 }
  scripted.say({ type: 'changes', mode: 'snapshot', position, revision: 1, items: [], more: false })
  scripted.uplink.updateCatalog([entry('a', 1)], [])
  scripted.uplink.registrySynced()
  become(scripted, 1)
  return scripted
}

const become = (scripted: ScriptedUplink, term: number): void => {
  scripted.say({ type: 'claimed', term, granted: true, reported: null })
  scripted.heard()
}

/** What is said of objects, and nothing else. */
const heard = (scripted: ScriptedUplink) =>
  scripted.heard().filter(({ type }) => type === 'object-problems' || type === 'objects-judged')

test('the reporter tells what is wrong when it is another than before, and that nothing is any more', () => {
  const scripted = reporting(capable)
  const problems = toObjectProblems([toTrouble('reviews')])
  scripted.uplink.setObjectProblems(problems)
  expect(heard(scripted)).toEqual([{ type: 'object-problems', problems: [toTrouble('reviews')], omitted: 0 }])
  scripted.uplink.setObjectProblems(structuredClone(problems))
  expect(heard(scripted)).toEqual([])
  scripted.uplink.setObjectProblems(toObjectProblems([]))
  expect(heard(scripted)).toEqual([{ type: 'object-problems', problems: [], omitted: 0 }])
})

test('of a revision at which the same is wrong only that is told, and nothing where nothing is wrong', () => {
  const scripted = reporting(capable)
  const [none, some] = [[], [toTrouble('reviews')]]
  const judge = (troubles: typeof some, revision: number) => {
    scripted.uplink.setObjectProblems({ ...toObjectProblems(troubles), revision })
    return heard(scripted)
  }
  expect(judge(none, 1)).toEqual([{ type: 'object-problems', problems: none, omitted: 0, revision: 1 }])
  expect(judge(none, 2)).toEqual([])
  expect(judge(some, 3)).toEqual([{ type: 'object-problems', problems: some, omitted: 0, revision: 3 }])
  expect(judge(some, 4)).toEqual([{ type: 'objects-judged', revision: 4 }])
  expect(judge(some, 4)).toEqual([])
  expect(judge(none, 4)).toEqual([{ type: 'object-problems', problems: none, omitted: 0, revision: 4 }])
  expect(judge(some, 4)).toEqual([{ type: 'object-problems', problems: some, omitted: 0, revision: 4 }])
})

test('an older plane is told a revision with all that is wrong', () => {
  const scripted = reporting(['object-problems'])
  for (const revision of [3, 4]) {
    scripted.uplink.setObjectProblems({ ...toObjectProblems([toTrouble('reviews')]), revision })
    expect(heard(scripted)).toEqual([
      { type: 'object-problems', problems: [toTrouble('reviews')], omitted: 0, revision },
    ])
  }
})

test('a plane that does not know the message is not sent it', () => {
  const scripted = reporting([])
  scripted.uplink.setObjectProblems(toObjectProblems([toTrouble('reviews')]))
  expect(heard(scripted)).toEqual([])
  expect(scripted.connected).toBe(true)
})

test('who is not the reporter keeps it, and tells it when it becomes the reporter, each time', () => {
  const scripted = reporting(capable)
  scripted.say({ type: 'refused', code: 'stale_term', message: 'another replica reports' })
  scripted.uplink.setObjectProblems(toObjectProblems([toTrouble('reviews')]))
  expect(heard(scripted)).toEqual([])
  for (const term of [5, 9]) {
    scripted.say({ type: 'vacancy', term: term - 1 })
    scripted.heard()
    scripted.say({ type: 'claimed', term, granted: true, reported: null })
    expect(heard(scripted)).toHaveLength(1)
    scripted.say({ type: 'refused', code: 'stale_term', message: 'another replica reports' })
  }
})

test('more than a message holds is counted', () => {
  const many = Array.from({ length: 1000 }, (_, index) => toTrouble(`reviews-${index}`))
  expect(toObjectProblems(many)).toMatchObject({ problems: { length: 200 }, omitted: 800 })
  const long = many.map((_, index) => toTrouble(`reviews-${index}`, '"'.repeat(1024)))
  const message = { type: 'object-problems' as const, ...toObjectProblems(long) }
  expect(JSON.stringify(agentMessage.parse(message)).length).toBeLessThan(UPLINK_MAX_MESSAGE_CHARS)
  expect(message.problems.length + message.omitted).toBe(1000)
  expect(message.problems.length).toBeGreaterThan(100)
})
