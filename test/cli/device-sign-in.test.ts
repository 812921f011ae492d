import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Child } from '#test/harness/child.ts'
import type { Jar } from '#test/harness/identity-provider.ts'
import { ownPrograms } from '#test/harness/programs.ts'
import { CLIENT_SECRET, SignInWorld } from '#test/harness/sign-in-world.ts'
import { planeUrl, runFake } from './fake-io.ts'
import type { FakeAnswer } from './fake-io.ts'

const LOGIN = ['login', '--url', planeUrl, '--oidc', '--device', '--org', 'acme']
const begun = {
  status: 200,
  body: {
    deviceCode: 'what only this machine has',
    userCode: 'WDJB-MJHT',
    verificationUri: 'https://accounts.test/device',
    expiresAt: '2026-11-21T12:10:00.000Z',
    intervalSeconds: 5,
  },
}
const token = {
  id: '0123456789abcdef',
  name: 'sign-in of ada@example.com',
  role: 'viewer',
  scopes: {},
  createdAt: '2026-11-21T12:01:00.000Z',
  expiresAt: '2026-11-22T00:01:00.000Z',
  secret: 'atoll_token_0123456789abcdef_secret',
}
const signedIn = { status: 201, body: { org: 'acme', token } }
const pending = (more: Record<string, unknown> = {}): FakeAnswer => ({
  status: 200,
  body: { slowDown: false, ...more },
})
const problem = (status: number, code: string, detail: string): FakeAnswer => ({
  status,
  body: { type: `urn:atoll:problem:${code}`, title: 'It is so', status, code, detail, requestId: 'r' },
})
/** Where a sign-in that succeeds keeps its token. */
let profiles = ''
const logIn = (...answers: readonly FakeAnswer[]) =>
  runFake(LOGIN, {
    env: { XDG_CONFIG_HOME: profiles },
    answers: { 'POST /v1/sign-in/device': begun, 'POST /v1/sign-in/device/token': answers },
  })

let scene: SignInWorld
beforeAll(async () => {
  profiles = await mkdtemp(join(tmpdir(), 'atoll-profiles-'))
  scene = await SignInWorld.start()
})
afterAll(async () => {
  await scene.stop()
  await rm(profiles, { recursive: true })
})

describe('a sign-in on another device', () => {
  const login = (profile: string) =>
    new Child({
      name: 'atoll login --device',
      command: process.execPath,
      args: [
        ownPrograms.atoll,
        'login',
        '--profile',
        profile,
        '--url',
        scene.world.url,
        '--oidc',
        '--device',
        '--org',
        'demo',
      ],
      env: scene.world.userEnvironment(),
    })

  it('is for an owner to allow', async () => {
    expect(await scene.post('device', { org: 'demo' })).toMatchObject({
      status: 401,
      body: { code: 'sign_in_refused' },
    })
    expect((await scene.setProvider('--allow-device')).stdout).toMatch(/Other devices +allowed/)
    expect((await scene.post('device', { org: 'demo' })).status).toBe(200)
    expect((await scene.post('device', { org: 'nobody' })).status).toBe(404)
  })

  it('waits until somebody has typed the code, and is theirs', async () => {
    await scene.asOwner('member', 'add', 'hal@example.com', '--role', 'viewer')
    const child = login('hal')
    const [, uri = '', userCode = ''] =
      /Open (\S+) in a browser, and type there: (\S+)/.exec((await child.waitForLine(/Open \S+ in a browser.*/))[0]) ??
      []
    await scene.browse(`${uri}?user_code=${userCode}`, 'hal')
    expect({ code: await child.exited(), log: child.log() }).toMatchObject({ code: 0 })
    expect((await scene.as('hal', 'whoami')).stdout).toMatch(/sign-in of hal@example\.com[^]*Role +viewer/)
  }, 60_000)

  it('gives a token once, to who has the code of this plane, and none to who is no member', async () => {
    const begin = async () =>
      (await scene.post('device', { org: 'demo' })).body as { deviceCode: string; verificationUriComplete: string }
    const refused = { status: 401, body: { code: 'sign_in_refused' } }
    const { deviceCode, verificationUriComplete } = await begin()
    const redeem = (text = deviceCode) => scene.post('device/token', { deviceCode: text })
    expect(await redeem()).toMatchObject({ status: 200, body: { slowDown: false } })
    expect(await redeem(deviceCode.replace(/.{4}$/, 'AAAA'))).toMatchObject(refused)
    await scene.browse(verificationUriComplete, 'hal')
    expect(await redeem()).toMatchObject({ status: 201, body: { org: 'demo', token: { role: 'viewer' } } })
    expect(await redeem()).toMatchObject(refused)
    const theirs = await begin()
    await scene.browse(theirs.verificationUriComplete, 'mallory')
    expect(await redeem(theirs.deviceCode)).toMatchObject(refused)
    const late = await begin()
    await scene.setProvider()
    expect(await redeem(late.deviceCode)).toMatchObject(refused)
  })
})

describe('a provider that fails for a while', () => {
  const away = { status: 503 }
  beforeAll(() => scene.setProvider('--allow-device'))
  afterEach(() => scene.disturbed.clear())

  it('ends no sign-in that somebody waits for on another device', async () => {
    const { deviceCode, verificationUriComplete } = (await scene.post('device', { org: 'demo' })).body as Record<
      'deviceCode' | 'verificationUriComplete',
      string
    >
    const ask = () => scene.post('device/token', { deviceCode }, 'one-key-for-all-questions')
    for (const path of ['/token', '/.well-known/openid-configuration']) {
      scene.disturbed.set(path, away)
      const trouble = `${scene.issuer} answers HTTP 503`
      expect(await ask()).toMatchObject({ status: 200, body: { slowDown: true, trouble } })
      scene.disturbed.clear()
    }
    expect(await ask()).toMatchObject({ status: 200, body: { slowDown: false } })
    await scene.browse(verificationUriComplete, 'hal')
    expect(await ask()).toMatchObject({ status: 201, body: { token: { role: 'viewer' } } })
    expect(await ask()).toMatchObject({ status: 201, body: { token: { role: 'viewer' } } })
  })

  it.each([
    [away, 503, 'unavailable', 'answers HTTP 503'],
    [
      { status: 400, body: { error: 'unauthorized_client', error_description: CLIENT_SECRET } },
      401,
      'sign_in_refused',
      'begins no sign-in on another device: it answers HTTP 400, "unauthorized_client"',
    ],
    [{ status: 200, body: { device_code: 'x' } }, 401, 'sign_in_refused', 'begins no sign-in on another device'],
  ])('is named when it begins none: %j', async (answer, status, code, detail) => {
    scene.disturbed.set('/device/auth', answer)
    const { body, ...rest } = await scene.post('device', { org: 'demo' })
    expect({ ...rest, body }).toMatchObject({
      status,
      body: { code, detail: expect.stringContaining(`${scene.issuer} ${detail}`) as string },
    })
    expect(JSON.stringify(body)).not.toContain(CLIENT_SECRET)
  })

  it('refuses nobody who signs in in a browser: it tells them to try again', async () => {
    const jar: Jar = new Map()
    const { url } = await scene.browse(scene.toBeginning({}), 'dan', `${scene.world.url}/v1/sign-in/callback`, jar)
    scene.disturbed.set('/token', away)
    expect((await scene.browse(url, 'dan', `${scene.world.url}/`, jar)).url).toBe(
      `${scene.world.url}/?signIn=unavailable`,
    )
  })
})

describe('a login on a machine without a browser', () => {
  it('goes on asking when the provider or the plane does not answer, and says so once', async () => {
    const trouble = 'https://accounts.test answers HTTP 503'
    const busy = problem(503, 'unavailable', 'the plane is busy')
    const { code, stderr, calls } = await logIn(
      pending({ slowDown: true, trouble }),
      pending({ slowDown: true, trouble }),
      ...Array.from({ length: 4 }, () => busy),
      pending(),
      signedIn,
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('WDJB-MJHT') as string })
    expect(stderr.split(trouble)).toHaveLength(2)
    expect(stderr).toContain('warning: the plane is busy. Asking again until 2026-11-21T12:10:00.000Z')
    expect(calls.filter(({ path }) => path.endsWith('/device/token'))).toHaveLength(8)
  })

  it('ends when the code has expired, with what was in the way', async () => {
    const trouble = 'https://accounts.test does not answer: connection refused'
    const { code, stderr, calls } = await logIn(pending({ slowDown: true, trouble }))
    expect({ code, stderr }).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('Nobody signed in until') as string,
    })
    expect(stderr).toMatch(/The last question came to nothing: .*connection refused/)
    // 5 s, 10 s, 15 s …: ten minutes are over after fifteen questions.
    expect(calls.filter(({ path }) => path.endsWith('/device/token')).length).toBeLessThan(16)
  })

  it('ends at once when it is refused', async () => {
    const { code, calls } = await logIn(problem(401, 'sign_in_refused', 'who has confirmed it is no member of the org'))
    expect([code, calls.length]).toEqual([4, 2])
  })
})
