import fc from 'fast-check'
import { expect, test } from 'vitest'
import { choosePublished } from './choose-published.ts'
import type { Contender, Holder } from './choose-published.ts'

const contender = (cluster: string, changes: Partial<Contender> = {}): Contender => ({
  cluster,
  since: 1,
  isGranted: true,
  isValid: true,
  ...changes,
})
const held = (cluster: string): Holder => ({ by: 'cluster', cluster })

const rows: readonly (readonly [string, readonly Contender[], Holder, string | undefined, string])[] = [
  ['one that asks and may', [contender('east')], undefined, 'east', 'chosen'],
  ['one that may not', [contender('east', { isGranted: false })], undefined, undefined, 'not_granted'],
  ['one that may not any more', [contender('east', { isGranted: false })], held('east'), undefined, 'not_granted'],
  ['one that is wrong', [contender('east', { isValid: false })], undefined, undefined, 'refused'],
  ['one that became wrong', [contender('east', { isValid: false })], held('east'), 'east', 'refused'],
  ["one beside the API's", [contender('east')], { by: 'mesh' }, undefined, 'shadowed'],
  ['who asked first', [contender('east', { since: 2 }), contender('west')], undefined, 'west', 'conflict chosen'],
  ['who holds it', [contender('east', { since: 2 }), contender('west')], held('east'), 'east', 'chosen conflict'],
  [
    'the next when the holder may not any more',
    [contender('east', { isGranted: false }), contender('west', { since: 2 })],
    held('east'),
    'west',
    'not_granted chosen',
  ],
  [
    'the holder that became wrong, before one that is right',
    [contender('east', { isValid: false }), contender('west')],
    held('east'),
    'east',
    'refused conflict',
  ],
  ['by name who asked at the same time', [contender('west'), contender('east')], undefined, 'east', 'conflict chosen'],
]

test.each(rows)('of one name: %s', (_name, contenders, holder, chosen, standings) => {
  const choice = choosePublished(contenders, holder)
  expect(choice.chosen?.cluster).toBe(chosen)
  expect(contenders.map((each) => choice.standings.get(each)).join(' ')).toBe(standings)
})

test('what is chosen stays chosen: asking again with the outcome changes nothing, in whatever order', () => {
  const contenders = fc.uniqueArray(
    fc.record({
      cluster: fc.constantFrom('a', 'b', 'c', 'd'),
      since: fc.integer({ min: 0, max: 2 }),
      isGranted: fc.boolean(),
      isValid: fc.boolean(),
    }),
    { selector: ({ cluster }) => cluster },
  )
  const holder = fc.option(fc.constantFrom('a', 'b', 'c', 'd'), { nil: undefined })
  fc.assert(
    fc.property(contenders, holder, (all, cluster) => {
      const { chosen } = choosePublished(all, cluster === undefined ? undefined : held(cluster))
      if (!chosen) return
      expect(choosePublished(all.toReversed(), held(chosen.cluster)).chosen).toBe(chosen)
    }),
  )
})
