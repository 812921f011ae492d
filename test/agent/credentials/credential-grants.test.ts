import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { CredentialGrants } from '#agent/credentials/credential-grants.ts'
import type { SecretAccess } from '#agent/credentials/credential-source.ts'
import type { NamedCredential } from '#agent/credentials/named-credentials.ts'
import { toContentHash } from '#xds/content-hash.ts'
import type { Proxy } from '#xds/proxy.ts'
import { typeUrls } from '#xds/type-url.ts'

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const toCredential = (text: string) => ({
  certificate: { chainPem: `chain of ${text}`, keyPem: `key of ${text}` },
  authorities: { caPem: `authority of ${text}` },
  apiKeys: { known: [{ client: 'ann', proof: `key of ${text}` }], faults: [] },
})

/** Secrets of namespace shop, which a test changes, and who may read them. */
const start = () => {
  const secrets = new Set(['shop/pair', 'shop/hidden'])
  const state: { access: SecretAccess; isReading: boolean; isForbidden: boolean; failure: string | undefined } = {
    access: 'allowed',
    isReading: false,
    isForbidden: false,
    failure: undefined,
  }
  const credentials = new CredentialGrants({
    secrets: { credentialOf: (secret) => (secrets.has(secret) ? toCredential(secret) : undefined) },
    source: {
      accessOf: () => state.access,
      isReading: () => state.isReading,
      failureOf: () => state.failure,
      isForbidden: () => state.isForbidden,
    },
    nobody: toCredential('nobody'),
  })
  return { credentials, secrets, state }
}

const toSidecar = (workload: string): Proxy => ({
  role: 'sidecar',
  namespace: 'shop',
  serviceAccount: 'sleep',
  workload,
})
const [sleep, other] = [toSidecar('sleep-1'), toSidecar('other-1')]

const gateway: Proxy = { ...sleep, role: 'gateway', workload: 'gateway-1' }

const toNamed = (part: NamedCredential['part']): NamedCredential => ({
  object: 'DestinationRule/shop/outside',
  place: 'tls',
  secret: 'shop/pair',
  part,
  ...(part !== 'client-authorities' && { reader: 'shop/sleep' }),
})
const mutual = [toNamed('client-certificate'), toNamed('mutual-authorities')]

/** "<name>: <whose>", as Envoy would read it. */
const readSets = (credentials: CredentialGrants, proxy: Proxy): string[] =>
  credentials.setsOf(proxy).flatMap((set) =>
    [...set.all(typeUrls.secret)].map(([name, { body }]) => {
      const [, whose] = /(?:chain|authority) of ([a-z/]+)/.exec(Buffer.from(body).toString('latin1')) ?? []
      return `${name}: ${whose}`
    }),
  )
const toPair = (whose: string) => [`client-certificate/shop/pair: ${whose}`, `mutual-authorities/shop/pair: ${whose}`]

test('a proxy has what is named for it, and no other has it; those with the same share it', () => {
  const { credentials } = start()
  const twin = toSidecar('sleep-2')
  credentials.grant([
    [sleep, mutual],
    [twin, mutual],
  ])
  expect(readSets(credentials, sleep)).toEqual(toPair('shop/pair'))
  expect(credentials.setsOf(twin)[0]).toBe(credentials.setsOf(sleep)[0])
  expect(credentials.setsOf(other)).toEqual([])
  expect(credentials.setsOf(gateway)).toEqual([])
  expect(credentials.setsOf({ ...sleep, serviceAccount: 'another' })).toEqual([])
  const list = credentials.setsOf(sleep)
  credentials.grant([[sleep, mutual]])
  expect(credentials.setsOf(sleep)).toBe(list)
  credentials.grant([])
  expect(credentials.setsOf(sleep)).toEqual([])
})

test.each<[string, (scene: ReturnType<typeof start>) => void, string]>([
  ['is refused', ({ state }) => (state.access = 'refused'), 'nobody'],
  ['is not there', ({ secrets }) => secrets.delete('shop/pair'), 'nobody'],
])('what %s is replaced by what is of no use, until it may be had again', (_, withdraw, expected) => {
  const scene = start()
  scene.credentials.grant([[sleep, mutual]])
  withdraw(scene)
  scene.credentials.refresh()
  expect(readSets(scene.credentials, sleep)).toEqual(toPair(expected))
  scene.state.access = 'allowed'
  scene.secrets.add('shop/pair')
  scene.credentials.refresh()
  expect(readSets(scene.credentials, sleep)).toEqual(toPair('shop/pair'))
})

test.each<[string, (scene: ReturnType<typeof start>) => void]>([
  ['nobody has said yet who may read', ({ state }) => (state.access = 'asked')],
  ['nobody can tell who may read', ({ state }) => (state.access = { failure: 'away' })],
  ['Secrets are being read', ({ state, secrets }) => (state.isReading = secrets.delete('shop/pair'))],
  [
    'Secrets can not be read',
    ({ state, secrets }) => {
      secrets.delete('shop/pair')
      state.failure = 'away'
    },
  ],
])('while %s, what a sidecar has goes on, and who has nothing gets nothing', (_, change) => {
  const scene = start()
  scene.credentials.grant([[sleep, mutual]])
  change(scene)
  scene.credentials.refresh()
  expect(readSets(scene.credentials, sleep)).toEqual(toPair('shop/pair'))
  scene.credentials.grant([[sleep, [...mutual].reverse()]])
  expect(readSets(scene.credentials, sleep)).toEqual([])
})

test('what nobody lets us ask any more goes on as it was said before', () => {
  const { credentials, state } = start()
  state.access = { failure: 'forbidden', before: 'allowed' }
  credentials.grant([[sleep, mutual]])
  expect(readSets(credentials, sleep)).toEqual(toPair('shop/pair'))
  state.access = { failure: 'forbidden', before: 'refused' }
  credentials.refresh()
  expect(readSets(credentials, sleep)).toEqual(toPair('nobody'))
})

test('whom to trust needs no permission, also where another rule names the certificate of the same Secret', () => {
  const { credentials, state } = start()
  const trusted = 'client-authorities/shop/pair: shop/pair'
  state.access = 'refused'
  credentials.grant([[sleep, [toNamed('client-authorities')]]])
  expect(readSets(credentials, sleep)).toEqual([trusted])
  credentials.grant([[sleep, [toNamed('client-authorities'), ...mutual]]])
  expect(readSets(credentials, sleep)).toEqual([trusted, ...toPair('nobody')])
})

test('of a Secret that is gone a server of a Gateway goes on with what it has, and a client beside it has no use', () => {
  const { credentials, secrets } = start()
  const toServed = (part: NamedCredential['part']): NamedCredential => ({
    object: 'Gateway/shop/front',
    place: 'server https',
    secret: 'shop/pair',
    part,
  })
  const parts = ['certificate', 'client-certificate', 'authorities', 'client-authorities'] as const
  credentials.grant([[gateway, parts.map(toServed)]])
  expect(readSets(credentials, gateway)).toEqual(parts.map((part) => `${part}/shop/pair: shop/pair`))
  secrets.clear()
  credentials.refresh()
  // What Envoy is told to remove it goes on with.
  expect(readSets(credentials, gateway)).toEqual([
    'client-certificate/shop/pair: nobody',
    'client-authorities/shop/pair: nobody',
  ])
})

const toKeys = (reader?: string): NamedCredential => ({
  object: 'ClientAuthentication/shop/partners',
  place: 'apiKeys',
  secret: 'shop/pair',
  part: 'api-keys',
  ...(reader !== undefined && { reader }),
  admission: {
    object: 'ClientAuthentication/shop/partners',
    secretName: 'pair',
    wrongPerMinute: 0,
    clientHeader: 'x-consumer',
    keys: { from: [{ header: 'x-api-key' }], forward: false },
  },
})
/** What the filter of clients does, as Envoy would read it; undefined = the proxy is told nothing. */
const readKeys = (credentials: CredentialGrants, proxy: Proxy): string | undefined =>
  credentials
    .setsOf(proxy)
    .flatMap((set) => [...set.all(typeUrls.extensionConfig).values()])
    .map(({ body }) => Buffer.from(body).toString('latin1'))
    .map((text) => /key of [a-z/]+|client-not-known/.exec(text)?.[0] ?? text)[0]

test.each<[string, (scene: ReturnType<typeof start>) => void, string | undefined]>([
  ['Secrets are there', () => {}, 'key of shop/pair'],
  ['Secrets are being read', ({ state, secrets }) => (state.isReading = secrets.delete('shop/pair')), undefined],
  ['nobody has said yet who may read', ({ state }) => (state.access = 'asked'), undefined],
  [
    'nobody can tell any more who may read',
    ({ state }) => (state.access = { failure: 'away', before: 'allowed' }),
    'key of shop/pair',
  ],
  ['nobody can tell who may read', ({ state }) => (state.access = { failure: 'away' }), 'client-not-known'],
  ['the account may not read', ({ state }) => (state.access = 'refused'), 'client-not-known'],
  ['the agent may not read', ({ state }) => (state.isForbidden = true), 'client-not-known'],
  ['the Secret is not there', ({ secrets }) => secrets.clear(), 'client-not-known'],
  [
    'Secrets can not be read, and never could',
    ({ state, secrets }) => {
      secrets.clear()
      state.failure = 'away'
    },
    'client-not-known',
  ],
  ['Secrets can not be read any more', ({ state }) => (state.failure = 'away'), 'key of shop/pair'],
])('of the keys of clients: while %s', (_, change, expected) => {
  const scene = start()
  change(scene)
  scene.credentials.grant([[sleep, [toKeys('shop/sleep')]]])
  expect(readKeys(scene.credentials, sleep)).toBe(expected)
})

test('versions of what holds keys are of this process alone, and the same for the same keys', () => {
  const { credentials } = start()
  credentials.grant([
    [gateway, [toKeys()]],
    [sleep, [toKeys('shop/sleep')]],
  ])
  const [one, other] = [gateway, sleep].map((proxy) => [
    ...(credentials.setsOf(proxy)[0]?.all(typeUrls.extensionConfig).values() ?? []),
  ])
  expect(one?.map(({ version }) => version)).toEqual(other?.map(({ version }) => version))
  expect(one?.map(({ version }) => version)).not.toEqual(one?.map(({ body }) => toContentHash(body)))
})

test('what is of no use is forgotten with those to whom it was given', async () => {
  const { credentials, secrets } = start()
  secrets.clear()
  credentials.grant([[sleep, mutual]])
  const given = credentials.setsOf(sleep).flatMap((set) => [...set.all(typeUrls.secret).values()])
  const refs = given.splice(0).map((resource) => new WeakRef(resource))
  expect(refs).toHaveLength(2)
  credentials.grant([])
  await new Promise(setImmediate)
  collectGarbage()
  expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined])
})
