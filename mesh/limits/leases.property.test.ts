import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Borrowers } from './borrowers.ts'
import { drawOnDay } from './day-quota.ts'
import { LimitAccount, type AccountAsk, type AccountGrant } from './limit-account.ts'
import { toAhead, toAskMs, toLeaseMs, toMost, type LimitTerms, type RateTerms } from './limit-terms.ts'
import { drawOnRate, newRatePool, toMostOut, toRefillMs } from './rate-pool.ts'
import { SharedRoom } from './shared-room.ts'

/** A replica's side of one count, its requests and the way to the plane. */
interface Replica {
  account: LimitAccount
  /** Requests a second, by phases of the run. */
  readonly demand: readonly number[]
  readonly latencyMs: number
  /** The phases in which the plane cannot be reached. */
  readonly away: readonly boolean[]
  /** Its cluster says with each ask that it has no need of a whole burst that it was given. What it lets through is its own affair. */
  readonly lies?: boolean
  owed: number
}

interface Run {
  /** When requests went through, in order. */
  readonly passed: readonly number[]
  readonly asked: number
}

const stepMs = 10
const phaseMs = 4000

interface Scene {
  readonly terms: LimitTerms
  readonly replicas: readonly Omit<Replica, 'account' | 'owed'>[]
  /** Phases at whose beginning the plane's object loses its memory. */
  readonly forgets: readonly boolean[]
  readonly phases: number
  readonly failOpen?: boolean
}

/** Lets replicas and the plane run together, step by step. */
const run = ({ terms, replicas: wanted, forgets, phases, failOpen = false }: Scene): Run => {
  const count = wanted.length
  const replicas: Replica[] = wanted.map((each) => ({
    ...each,
    account: new LimitAccount(terms, failOpen, count, 0),
    owed: 0,
  }))
  const events: { readonly at: number; readonly do: (now: number) => void }[] = []
  const passed: number[] = []
  const isRate = terms.kind === 'rate'
  let pool = isRate ? newRatePool(terms, undefined, 0) : undefined
  let used = 0
  let leasedAt: number | undefined
  let asked = 0
  const borrowers = new Borrowers(new SharedRoom(100, 100))

  const answer = (replica: Replica, ask: AccountAsk, now: number): AccountGrant => {
    const name = String(replicas.indexOf(replica))
    const told = replica.lies ? { ...ask, back: toMost(terms) } : ask
    const from = { session: name, cluster: name }
    const { othersWant, back } = borrowers.hear(from, told, toLeaseMs(terms, count), now)
    const request = { ...told, othersWant, back }
    if (!isRate) {
      const drawn = drawOnDay(terms.requests, used, { ...request, back: ask.back })
      used = drawn.used
      const againMs = drawn.used < terms.requests ? 0 : toLeaseMs(terms, count)
      return { tokens: drawn.tokens, forMs: toLeaseMs(terms, count), againMs, endsMs: 10_000_000 }
    }
    const drawn = drawOnRate(terms, pool ?? newRatePool(terms, leasedAt, now), request, toLeaseMs(terms, count), now)
    pool = drawn.pool
    borrowers.lend(name, drawn.tokens, toMostOut(terms, toLeaseMs(terms, count)))
    leasedAt = now
    return {
      tokens: drawn.tokens,
      forMs: toLeaseMs(terms, count),
      againMs: toRefillMs(terms, pool, toAskMs(terms, count), toLeaseMs(terms, count)),
    }
  }

  for (let now = 0; now < phases * phaseMs; now += stepMs) {
    const phase = Math.floor(now / phaseMs)
    if (now % phaseMs === 0 && forgets[phase]) pool = undefined
    for (const event of events.splice(0)) {
      if (event.at <= now) event.do(now)
      else events.push(event)
    }
    for (const replica of replicas) {
      const isLive = !replica.away[phase]
      const plane = { isLive, replicas: count }
      if (now % phaseMs === 0 && !isLive) replica.account.sessionEnded()
      replica.owed += ((replica.demand[phase] ?? 0) * stepMs) / 1000
      for (; replica.owed >= 1; replica.owed -= 1) {
        const passing = replica.account.allows(plane, now)
        if (passing === undefined) replica.account.refuse(now)
        else {
          replica.account.pass(passing, terms, plane, now)
          if (!replica.lies) passed.push(now)
        }
      }
      if (isLive && (now % 250 === 0 || (now % 50 === 0 && replica.account.isUrgent(now)))) {
        const ask = replica.account.ask(terms, plane, now)
        if (ask) {
          asked += 1
          events.push({
            at: now + replica.latencyMs,
            do: (at) => {
              const grant = answer(replica, ask, at)
              events.push({
                at: at + replica.latencyMs,
                do: (heard) =>
                  !replica.away[Math.floor(heard / phaseMs)] && replica.account.take(grant, terms, plane, heard),
              })
            },
          })
        }
      }
      if (replica.account.isIdle(terms, plane, now)) replica.account = new LimitAccount(terms, failOpen, count, now)
    }
  }
  return { passed, asked }
}

const mostIn = (passed: readonly number[], windowMs: number): number => {
  let most = 0
  let from = 0
  for (const [index, at] of passed.entries()) {
    while ((passed[from] ?? 0) <= at - windowMs) from += 1
    most = Math.max(most, index - from + 1)
  }
  return most
}

const phases = 6
const ofSix = (demand: number) => Array.from({ length: phases }, () => demand)
const ofPhases = <T>(each: fc.Arbitrary<T>) => fc.array(each, { minLength: phases, maxLength: phases })
const replica = fc.record({
  demand: ofPhases(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 400 }))),
  latencyMs: fc.constantFrom(0, 20, 100, 400),
  away: ofPhases(fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) })),
})
const rate = fc
  .record({
    requests: fc.integer({ min: 1, max: 300 }),
    periodMs: fc.constantFrom(1000, 10_000, 60_000),
    more: fc.integer({ min: 0, max: 100 }),
  })
  .map(({ requests, periodMs, more }): RateTerms => ({ kind: 'rate', requests, periodMs, burst: requests + more }))

const replicas = fc.array(replica, { minLength: 1, maxLength: 6 })
const forgets = ofPhases(
  fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
)

test('in no time more goes through than the bound says, whatever is asked, lost and forgotten', () => {
  fc.assert(
    fc.property(rate, replicas, forgets, (terms, each, forgetting) => {
      const { passed } = run({ terms, replicas: each, forgets: forgetting, phases })
      const leaseMs = toLeaseMs(terms, each.length)
      const ahead = toAhead(terms, each.length) * each.length
      for (const windowMs of [100, 1000, 5000, 20_000])
        expect(mostIn(passed, windowMs)).toBeLessThanOrEqual(
          terms.burst + (terms.requests / terms.periodMs) * (windowMs + leaseMs) + 2 * ahead,
        )
    }),
    { numRuns: 200 },
  )
})

test('of a quota no more than it and what replicas run ahead by goes through in a day', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), replicas, (requests, each) => {
      const terms: LimitTerms = { kind: 'day', requests }
      const { passed } = run({ terms, replicas: each, forgets: [], phases })
      expect(passed.length).toBeLessThanOrEqual(requests + toAhead(terms, each.length) * each.length)
    }),
    { numRuns: 200 },
  )
})

test('a cluster that gives back what it was not given lets others have no more', () => {
  const terms: RateTerms = { kind: 'rate', requests: 50, periodMs: 1000, burst: 100 }
  const liar = { demand: [0, 5, 0, 5, 0, 5], latencyMs: 0, away: [], lies: true }
  const others = [300, 200].map((each) => ({ demand: ofSix(each), latencyMs: 20, away: [] }))
  const { passed } = run({ terms, replicas: [liar, ...others], forgets: [], phases })
  const seconds = (phases * phaseMs + toLeaseMs(terms, 3)) / 1000
  expect(passed.length).toBeLessThanOrEqual(terms.burst + terms.requests * seconds + 2 * toAhead(terms, 3) * 3)
})

const steady = (demand: number, latencyMs = 40) => ({
  demand: Array.from({ length: 30 }, () => demand),
  latencyMs,
  away: [],
})

test.each([
  ['two replicas ask for twice as much each', [200, 200], 100],
  ['one asks for nearly all', [190, 20], 100],
  ['many ask for a little each', Array.from({ length: 20 }, () => 20), 100],
  ['all together ask for less', [40, 10], 50],
])('what a rate allows goes through when %s', (_, demands, expected) => {
  const terms: RateTerms = { kind: 'rate', requests: 100, periodMs: 1000, burst: 100 }
  const { passed } = run({ terms, replicas: demands.map((each) => steady(each)), forgets: [], phases: 12 })
  const perSecond = passed.filter((at) => at >= 8000).length / 40
  expect(perSecond).toBeGreaterThan(expected * 0.95)
  expect(perSecond).toBeLessThan(expected * 1.05)
})

test('a quota is used up to its last request, whoever needs it', () => {
  const terms: LimitTerms = { kind: 'day', requests: 1000 }
  const { passed } = run({ terms, replicas: [steady(30), steady(2)], forgets: [], phases: 30 })
  expect(passed.length).toBeGreaterThanOrEqual(1000)
})

test('seldom requests under a low rate go through, and leases lose nothing of it', () => {
  const terms: RateTerms = { kind: 'rate', requests: 10, periodMs: 60_000, burst: 10 }
  const { passed } = run({ terms, replicas: [steady(0.1), steady(0.05)], forgets: [], phases: 12 })
  expect(passed.length).toBeGreaterThanOrEqual(6)
})
