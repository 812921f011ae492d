import { expect, test } from 'vitest'
import { parseCredential, secretObject } from '#agent/credentials/parse-credential.ts'
import { ProxyCredentials } from '#agent/credentials/proxy-credentials.ts'
import { openDataDirectory } from '#agent/data-directory.ts'
import { createLog } from '#agent/log.ts'
import { allowedPlace } from '#agent/outside/place-guard.ts'
import { WasmModules } from '#agent/wasm/wasm-modules.ts'
import { wasmPlugin } from '#mesh/config/wasm-plugin.ts'
import type { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { findModules } from '#mesh/wasm/module-source.ts'
import { readScene } from '#test/compile/scene.ts'
import { ImageRegistry } from '#test/harness/wasm/image-registry.ts'
import { startIssuer } from '../jwks/issuer.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { untilHolds } from '../until-holds.ts'
import { VirtualClock } from '../virtual-clock.ts'

const code = Buffer.concat([Buffer.from('\0asm'), Buffer.from([1, 0, 0, 0]), Buffer.from('the rest')])
const type = 'kubernetes.io/dockerconfigjson'
const toSecret = (auths: object, as = type) =>
  parseCredential(
    secretObject.parse({
      kind: 'Secret',
      type: as,
      metadata: { name: 'pull' },
      stringData: { '.dockerconfigjson': JSON.stringify({ auths }) },
    }),
  )
const auth = Buffer.from('ann:pass').toString('base64')

const empty = "about: ''\nservices: []\n"

/** What Secrets say, and whether they are being read. */
const setUpSecrets = (store: MeshViewStore) => {
  const state = { isReading: true, failure: undefined as string | undefined, wanted: [] as string[] }
  let listen: Parameters<
    NonNullable<ConstructorParameters<typeof ProxyCredentials>[0]['source']>['start']
  >[0] = () => {}
  let hear = (): void => {}
  const credentials = new ProxyCredentials({
    view: store,
    source: {
      start: (listener) => (listen = listener),
      stop: async () => {},
      want: (secrets) => (state.wanted = [...secrets].toSorted()),
      isReading: () => state.isReading,
      failureOf: () => state.failure,
      isForbidden: () => state.failure !== undefined,
      accessOf: () => 'allowed',
    },
    clock: { after: () => () => {} },
    log: createLog('silent'),
    nobody: { certificate: { chainPem: 'nobody', keyPem: 'nobody' }, authorities: { caPem: 'nobody' } },
    onChange: () => hear(),
  })
  credentials.start()
  const say = (secret: ReturnType<typeof toSecret> | null, read: Partial<typeof state> = {}): void => {
    Object.assign(state, { isReading: false, failure: undefined, ...read })
    listen(new Map([['shop/pull', secret]]))
  }
  return { credentials, state, say, onChange: (listener: () => void) => (hear = listener) }
}

/** An agent of a cluster in which three name the same image: by a Secret, by one of that name in another namespace, and by none. */
const startAgent = async (directory: string, { ca, port }: { readonly ca: string; readonly port: number }) => {
  const plugins = [
    ['shop', 'signs-in', 'pull'],
    ['bank', 'has-none', 'pull'],
    ['shop', 'names-none', ''],
  ] as const
  const named = findModules(
    plugins.map(([namespace, name, imagePullSecret]) => ({
      apiVersion: 'extensions.istio.io/v1alpha1',
      kind: 'WasmPlugin',
      metadata: { name, namespace },
      spec: wasmPlugin.schema.parse({ url: `oci://localhost:${port}/plugin:v1`, imagePullSecret }),
    })),
  )
  const { store } = readScene(empty)
  const { credentials, state, say, onChange } = setUpSecrets(store)
  const clock = new VirtualClock()
  const data = await openDataDirectory(directory, undefined, () => {})
  const known = new Map<string, string>()
  const modules = new WasmModules({
    view: { modules: () => named, settings: () => store.settings() },
    config: { wasm: { allow: ['127.0.0.1', '::1'].map((place) => allowedPlace.parse(place)) } },
    credentials,
    modulesCa: ca,
    data,
    clock,
    random: () => 0,
    log: createLog('silent'),
    onChanges: (changes) => {
      for (const change of changes)
        if (change.kind === 'wasm-module' && change.value)
          known.set(change.module, 'fault' in change.value ? change.value.fault : 'is there')
    },
    onProblems: () => {},
    reportStoreProblem: () => {},
  })
  onChange(() => {
    modules.namesChanged()
    // Before what failed is tried again anyway.
    clock.advance(50)
  })
  modules.start()
  const stop = async () => {
    await modules.stop()
    data.close()
  }
  /** What is known of the modules, by who names them. */
  const told = () =>
    Object.fromEntries(
      named.map(({ key, objects: [object = ''] }) => [object.slice('WasmPlugin/'.length), known.get(key)]),
    )
  return { modules, clock, state, say, told, stop }
}

const needs = (secret: string, fault: string) => `needs Secret ${secret} of the type ${type}, which ${fault}`
const byNobody = 'asks for a user and a password, and the plugin names no imagePullSecret'

test('a module that is had by a Secret is for those alone who name it, and is asked for again when the Secret is another', async () => {
  const registry = new ImageRegistry()
  registry.push('plugin', 'v1', code)
  registry.account = 'ann:pass'
  const { ca, port, issuer } = await startIssuer(registry.handle)
  const directory = temporaryDirectory()
  const agent = await startAgent(directory, { ca, port })
  await untilHolds(() => expect(agent.told()['shop/names-none']).toBe(byNobody))
  expect(agent.state.wanted).toEqual(['bank/pull', 'shop/pull'])
  expect(agent.told()['shop/signs-in']).toBeUndefined()

  const others = { 'bank/has-none': needs('bank/pull', 'is not there'), 'shop/names-none': byNobody }
  const refused = 'refuses the user and the password of the imagePullSecret'
  const host = `localhost:${port}`
  for (const [secret, failure, expected] of [
    [null, undefined, needs('shop/pull', 'is not there')],
    [null, 'forbidden', needs('shop/pull', 'can not be read: forbidden')],
    [toSecret({ [host]: { auth } }, 'atoll.dev/api-keys'), undefined, needs('shop/pull', 'is of another type')],
    [toSecret({ 'other.example': { auth } }), undefined, needs('shop/pull', `has no password for ${host}`)],
    [toSecret({ [host]: { username: 'ann', password: 'other' } }), undefined, refused],
    [toSecret({ [`https://${host}/v1/`]: { auth } }), undefined, 'is there'],
  ] as const) {
    agent.say(secret, { failure })
    await untilHolds(() => expect(agent.told()['shop/signs-in']).toBe(expected))
  }
  await untilHolds(() => expect(agent.told()).toEqual({ 'shop/signs-in': 'is there', ...others }))

  // Who has it goes on with it, and is told that nobody could have it anew.
  agent.say(null)
  const [problem, ...rest] = agent.modules.problems()
  expect(rest).toEqual([])
  expect(problem).toMatchObject({
    object: 'WasmPlugin/shop/signs-in',
    message: expect.stringMatching(
      /^spec\.url: needs Secret shop\/pull .* which is not there: the module of .* goes on$/,
    ),
  })
  await agent.stop()

  // It is on disk, and nobody's but theirs.
  issuer.handle = (_request, response) => response.writeHead(503).end()
  const restarted = await startAgent(directory, { ca, port })
  restarted.say(null)
  await untilHolds(() =>
    expect(restarted.told()).toEqual({ 'shop/signs-in': 'is there', ...others, 'shop/names-none': 'answered 503' }),
  )
  await restarted.stop()
})
