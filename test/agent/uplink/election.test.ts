import { expect, test } from 'vitest'
import type { PlaneStanding } from '#agent/uplink/reporter-election.ts'
import { entry, liveUplink } from './uplink-fixture.ts'

/** An uplink under an election that is decided elsewhere, as by a Lease. */
const electable = () => {
  const election = { term: undefined as number | undefined, asked: undefined as PlaneStanding | undefined }
  const scripted = liveUplink({
    toTerm: (standing) => {
      election.asked = standing
      return election.term
    },
  })
  scripted.uplink.updateCatalog([entry('a', 1)], [])
  scripted.uplink.registrySynced()
  const elect = (term: number | undefined): void => {
    election.term = term
    scripted.uplink.electionChanged()
  }
  return { scripted, election, elect }
}

const electedFor = (term: number) => {
  const parts = electable()
  parts.elect(term)
  parts.scripted.say({ type: 'claimed', term, granted: true, reported: null })
  parts.scripted.heard()
  return parts
}

test('who is not elected claims nothing, also when nobody reports', () => {
  const { scripted } = electable()
  scripted.say({ type: 'vacancy', term: 3 })
  expect(scripted.heard()).toEqual([])
})

test('who is elected claims its term, also from one who reports, and reports under it', () => {
  const { scripted, elect } = electable()
  elect(5)
  expect(scripted.heard()).toEqual([{ type: 'claim', term: 5 }])
  scripted.say({ type: 'claimed', term: 5, granted: true, reported: null })
  expect(scripted.heard()).toMatchObject([{ type: 'report', term: 5, mode: 'full' }])
})

test('who is not elected any more says nothing from then on, until it is again', () => {
  const { scripted, elect } = electedFor(5)
  scripted.say({ type: 'report-ack', position: { boot: 'boot-1', sequence: 1 } })
  elect(undefined)
  expect(scripted.uplink.status.reporting).toBe(false)
  scripted.uplink.updateCatalog([entry('a', 2)], [])
  expect(scripted.heard()).toEqual([])
  elect(5)
  expect(scripted.heard()).toEqual([{ type: 'claim', term: 5 }])
})

test('one that loses while its claim is under way does not report by the answer', () => {
  const { scripted, elect } = electable()
  elect(5)
  elect(undefined)
  scripted.heard()
  scripted.say({ type: 'claimed', term: 5, granted: true, reported: null })
  expect(scripted.heard()).toEqual([])
  expect(scripted.uplink.status.reporting).toBe(false)
})

test('a refused claim tells the election the plane’s term', () => {
  const { scripted, election, elect } = electable()
  elect(1)
  scripted.heard()
  election.term = undefined
  scripted.say({ type: 'claimed', term: 9, granted: false, reported: null })
  expect(election.asked).toEqual({ term: 9, isOurs: false, isVacant: false })
  elect(10)
  expect(scripted.heard()).toEqual([{ type: 'claim', term: 10 }])
})

test('a report that came too late asks the election again', () => {
  const { scripted, election } = electedFor(5)
  election.term = 6
  scripted.say({ type: 'refused', code: 'stale_term', message: 'the term is 5' })
  expect(scripted.heard()).toEqual([{ type: 'claim', term: 6 }])
  expect(election.asked).toEqual({ term: 5, isOurs: false, isVacant: false })
})
