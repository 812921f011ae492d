import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { openDataDirectory } from '#agent/data-directory.ts'
import { IssuerKeys } from '#agent/jwks/issuer-keys.ts'
import { allowedPlace } from '#agent/outside/place-guard.ts'
import type { ViewChange } from '#mesh/view.ts'
import { readScene } from '#test/compile/scene.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { untilHolds } from '../until-holds.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { createJwks, startIssuer } from './issuer.ts'

const toObject = (name: string, jwksUri: string) => ({
  apiVersion: 'security.istio.io/v1',
  kind: 'RequestAuthentication',
  metadata: { name, namespace: 'default' },
  spec: { jwtRules: [{ issuer: `https://${name}.example`, jwksUri }] },
})
const toChange = (name: string, jwksUri: string | null): ViewChange => ({
  kind: 'config',
  origin: 'mesh',
  key: `RequestAuthentication/default/${name}`,
  value: jwksUri === null ? null : toObject(name, jwksUri),
})

const setUp = async (allow: readonly string[] | undefined) => {
  const { issuer, ca, port } = await startIssuer((_request, response) => response.end(createJwks('one')))
  const data = await openDataDirectory(temporaryDirectory(), undefined, () => {})
  const clock = new VirtualClock()
  const { store } = readScene(JSON.stringify({ about: '', services: [], config: [] }), { certificates: '' })
  const changes: ViewChange[] = []
  const keys = new IssuerKeys({
    view: store,
    config: { jwks: { ...(allow && { allow: allow.map((place) => allowedPlace.parse(place)) }) } },
    issuersCa: ca,
    data,
    clock,
    random: () => 0,
    log: pino({ level: 'silent' }),
    onChanges: (some) => changes.push(...some),
    onProblems: () => {},
  })
  onTestFinished(async () => {
    await keys.stop()
    data.close()
  })
  keys.start()
  const apply = (...some: readonly ViewChange[]) => {
    store.apply(some)
    keys.namesChanged()
    clock.advance(50)
  }
  return { keys, apply, changes, issuer, url: `https://localhost:${port}/keys?secret=1`, clock }
}

const object = 'RequestAuthentication/default/one'

test('says at the objects that name an issuer why its keys can not be had, and nothing of a query', async () => {
  const { keys, apply, url } = await setUp(undefined)
  apply(toChange('one', url), toChange('two', url))
  await untilHolds(() => expect(keys.problems()).toHaveLength(2))
  const place = url.replace('?secret=1', '')
  expect(keys.problems()).toEqual(
    ['one', 'two'].map((name) => ({
      object: `RequestAuthentication/default/${name}`,
      message: `spec.jwtRules: ${place} is at an address that the agent may not ask (docs/security-policy.md): no token by it is accepted`,
    })),
  )
  apply(toChange('two', null))
  expect(keys.problems()).toMatchObject([{ object }])
  apply(toChange('one', null))
  expect(keys.problems()).toEqual([])
  expect(keys.statuses()).toEqual([])
})

test('believes a server by the authority that the agent was given, and goes on with its keys', async () => {
  const { keys, apply, changes, issuer, url, clock } = await setUp(['127.0.0.0/8', '::1'])
  apply(toChange('one', url))
  await keys.asked()
  expect(changes).toMatchObject([{ kind: 'keys', url, value: expect.stringContaining('"one"') }])
  expect(keys.problems()).toEqual([])
  const fetchedAt = new Date(clock.now()).toISOString()
  issuer.handle = (_request, response) => response.end('{}')
  clock.advance(18 * 60_000)
  await untilHolds(() =>
    expect(keys.problems()).toEqual([
      {
        object,
        message: `spec.jwtRules: ${url.replace('?secret=1', '')} is no JSON with a list of "keys": the keys of ${fetchedAt} go on`,
      },
    ]),
  )
  expect(changes).toHaveLength(1)
})
