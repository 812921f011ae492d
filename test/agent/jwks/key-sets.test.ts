import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { fetchKeySet, type FetchedKeySet } from '#agent/jwks/fetch-key-set.ts'
import { KeySets, keptKeySet } from '#agent/jwks/key-sets.ts'
import { allowedPlace, PlaceGuard } from '#agent/outside/place-guard.ts'
import { SealedSnapshot } from '#agent/store/sealed-snapshot.ts'
import { loadSealingKey } from '#agent/store/sealing-key.ts'
import { maxKeySources, type KeySource } from '#mesh/security/key-source.ts'
import type { ViewChange } from '#mesh/view.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { untilHolds } from '../until-holds.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { createJwks, startIssuer } from './issuer.ts'

const minute = 60_000
const toSource = (url: string): KeySource => ({ url, timeoutMilliseconds: 5000 })

interface Wishes {
  readonly directory?: string
  readonly clock?: VirtualClock
  readonly fetch: (source: KeySource) => Promise<FetchedKeySet>
}

const setUp = ({ directory = temporaryDirectory(), clock = new VirtualClock(), fetch }: Wishes) => {
  const key = loadSealingKey(join(directory, 'sealing.key'), true)
  const reports: string[] = []
  const changes: ViewChange[] = []
  const sets = new KeySets({
    clock,
    random: () => 0,
    log: pino({ level: 'silent' }),
    fetch,
    snapshot: new SealedSnapshot({
      path: join(directory, 'key-sets.snapshot'),
      name: 'key-sets',
      key,
      schema: keptKeySet,
      report: (text) => reports.push(text),
    }),
    onChanges: (some) => changes.push(...some),
    onProblems: () => {},
  })
  onTestFinished(() => sets.stop())
  sets.load()
  return { sets, clock, changes, reports, directory }
}

/** An agent with a real issuer. */
const withIssuer = async (jwks: string) => {
  const started = await startIssuer((_request, response) => response.end(jwks))
  const clock = new VirtualClock()
  const fetching = {
    guard: new PlaceGuard([allowedPlace.parse('127.0.0.1')]),
    clock,
    ca: [started.ca],
    resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
  }
  const fetch = (source: KeySource) => fetchKeySet(source.url, source.timeoutMilliseconds, fetching)
  const url = `${started.origin}/keys`
  return { ...started, ...setUp({ clock, fetch }), url, source: toSource(url), fetch }
}

const kidsOf = (change: ViewChange | undefined): readonly string[] =>
  change?.kind === 'keys' && change.value !== null
    ? JSON.parse(change.value).keys.map(({ kid }: { kid: string }) => kid)
    : []

test('follows the keys of an issuer that rotates them, and tells what is new alone', async () => {
  const { issuer, sets, changes, clock, requests, source, url } = await withIssuer(createJwks('one'))
  sets.want([source])
  await untilHolds(() => expect(changes.map(kidsOf)).toEqual([['one']]))
  expect(sets.statuses()).toEqual([{ url, fetchedAt: clock.now(), failures: 0, failure: undefined, warnings: [] }])

  clock.advance(17 * minute)
  expect(requests).toHaveLength(1)
  clock.advance(minute)
  await untilHolds(() => expect(sets.statuses()).toMatchObject([{ fetchedAt: clock.now() }]))
  expect(changes).toHaveLength(1)

  const both = JSON.stringify({ keys: ['one', 'two'].flatMap((kid) => JSON.parse(createJwks(kid)).keys) })
  issuer.handle = (_request, response) => response.end(both)
  clock.advance(18 * minute)
  await untilHolds(() => expect(changes.map(kidsOf).at(-1)?.toSorted()).toEqual(['one', 'two']))
})

test.each([
  [
    'is down',
    'answered 503',
    (_request: unknown, response: { writeHead(status: number): { end(): void } }) => response.writeHead(503).end(),
  ],
  [
    'answers nonsense',
    'is no JSON with a list of "keys"',
    (_request: unknown, response: { end(text: string): void }) => response.end('<html>'),
  ],
])(
  'goes on with the keys of an issuer that %s, asks less and less often, and says so',
  async (_name, failure, handle) => {
    const { issuer, sets, changes, clock, requests, source } = await withIssuer(createJwks('one'))
    sets.want([source])
    await untilHolds(() => expect(changes).toHaveLength(1))
    const good = issuer.handle
    issuer.handle = handle
    clock.advance(18 * minute)
    await untilHolds(() => expect(sets.statuses()).toMatchObject([{ failures: 1, failure }]))
    const before = requests.length
    for (const [index, wait] of [500, 1000, 2000].entries()) {
      clock.advance(wait - 1)
      expect(requests).toHaveLength(before + index)
      clock.advance(1)
      await untilHolds(() => expect(sets.statuses()).toMatchObject([{ failures: index + 2 }]))
    }
    expect(changes).toHaveLength(1)
    issuer.handle = good
    clock.advance(4000)
    await untilHolds(() => expect(sets.statuses()).toMatchObject([{ failures: 0, failure: undefined }]))
    expect(changes).toHaveLength(1)
  },
)

test('has what was last known after a restart, before anybody answers', async () => {
  const { sets, changes, directory, source, clock, fetch } = await withIssuer(createJwks('one'))
  sets.want([source])
  await untilHolds(() => expect(changes).toHaveLength(1))
  await sets.stop()

  const never = () => new Promise<never>(() => {})
  const second = setUp({ directory, clock, fetch: never })
  second.sets.want([source])
  await second.sets.asked()
  expect(second.changes.map(kidsOf)).toEqual([['one']])
  expect(second.sets.statuses()).toMatchObject([{ fetchedAt: clock.now() }])
  await second.sets.stop()

  const third = setUp({ directory, clock, fetch })
  third.sets.want([])
  await third.sets.stop()
  const fourth = setUp({ directory, clock, fetch: never })
  fourth.sets.want([source])
  expect(fourth.changes.map(kidsOf)).toEqual([['one']])
})

test('takes nothing from a file that was tampered with', async () => {
  const { sets, changes, directory, source, clock } = await withIssuer(createJwks('one'))
  sets.want([source])
  await untilHolds(() => expect(changes).toHaveLength(1))
  await sets.stop()
  const path = join(directory, 'key-sets.snapshot')
  const bytes = readFileSync(path)
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 20) ^ 1, bytes.length - 20)
  writeFileSync(path, bytes)
  const second = setUp({ directory, clock, fetch: () => new Promise<never>(() => {}) })
  second.sets.want([source])
  expect(second.changes).toEqual([])
  expect(second.reports).toEqual([expect.stringContaining('damaged')])
})

const good: FetchedKeySet = { jwks: '{"keys":[1]}', warnings: [], maxAgeSeconds: undefined }

test('waits at the start for those of whom nothing is known, and not for ever', async () => {
  const { sets, clock } = setUp({ fetch: () => new Promise<never>(() => {}) })
  await sets.asked()
  sets.want([toSource('https://slow.example/')])
  let isOver = false
  const asked = sets.asked().then(() => (isOver = true))
  clock.advance(2999)
  await new Promise(setImmediate)
  expect(isOver).toBe(false)
  clock.advance(1)
  await asked

  const quick = setUp({ fetch: () => Promise.reject(new Error('answered 500')) })
  quick.sets.want([toSource('https://down.example/')])
  await quick.sets.asked()
  expect(quick.sets.statuses()).toMatchObject([{ failure: 'answered 500', fetchedAt: undefined }])
})

test('asks eight issuers at a time, and no more of them than there may be', async () => {
  const waiting: (() => void)[] = []
  const asked: string[] = []
  const { sets, changes } = setUp({
    fetch: ({ url }) => {
      asked.push(url)
      return new Promise((resolve) => waiting.push(() => resolve(good)))
    },
  })
  const urls = Array.from(
    { length: maxKeySources + 10 },
    (_, index) => `https://i${String(index).padStart(3, '0')}.example/`,
  )
  sets.want(urls.map(toSource))
  expect(asked).toHaveLength(8)
  while (asked.length < maxKeySources) {
    const before = asked.length
    waiting.shift()?.()
    await untilHolds(() => expect(asked.length).toBe(before + 1))
  }
  for (const answer of waiting) answer()
  await untilHolds(() => expect(changes).toHaveLength(maxKeySources))
  expect(asked).toEqual(urls.slice(0, maxKeySources))
})

test('forgets what nobody names, and answers that come too late', async () => {
  let answer = (): void => {}
  const { sets, changes, clock } = setUp({
    fetch: () => new Promise((resolve) => (answer = () => resolve(good))),
  })
  const source = toSource('https://one.example/')
  sets.want([source])
  sets.want([])
  answer()
  await new Promise(setImmediate)
  expect(changes).toEqual([])
  expect(sets.statuses()).toEqual([])

  sets.want([source])
  answer()
  await untilHolds(() => expect(changes).toEqual([{ kind: 'keys', url: source.url, value: good.jwks }]))
  sets.want([])
  expect(changes.at(-1)).toEqual({ kind: 'keys', url: source.url, value: null })
  clock.advance(60 * minute)
  sets.want([source])
  expect(changes.at(-1)).toEqual({ kind: 'keys', url: source.url, value: good.jwks })
})
