import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runFake } from '#test/cli/fake-io.ts'
import { ProfileStore } from './profile-store.ts'

let folder: string
let store: ProfileStore
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atoll-profiles-'))
  store = new ProfileStore({ XDG_CONFIG_HOME: folder })
})
afterEach(() => rmSync(folder, { recursive: true }))

const profile = { url: 'https://plane.test', org: 'acme', token: 'atoll_token_1_x' }
const whoami = {
  status: 200,
  body: {
    org: 'acme',
    token: {
      id: 't',
      name: 'n',
      role: 'owner',
      scopes: {},
      createdAt: '2026-01-01T00:00:00Z',
      expiresAt: '2027-01-01T00:00:00Z',
    },
  },
}

describe('ProfileStore', () => {
  it('keeps profiles in a file for the user alone', () => {
    store.save('default', profile)
    expect(statSync(store.path).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, 'atoll')).mode & 0o777).toBe(0o700)
    expect(store.find(undefined)).toEqual({ name: 'default', profile })
  })

  it('has a current profile, which another one follows when it is removed', () => {
    store.save('default', profile)
    store.save('staging', profile)
    expect(store.find(undefined).name).toBe('default')
    store.use('staging')
    expect(store.find(undefined).name).toBe('staging')
    store.remove('staging')
    expect(store.find(undefined)).toEqual({ name: 'default', profile })
  })

  it('refuses a file that others can read', () => {
    store.save('default', profile)
    chmodSync(store.path, 0o644)
    expect(() => store.find(undefined)).toThrow(/can be read by others/)
  })

  it.each(['profiles: [', 'a: 1', ''])('names a file that it can not use: %j', (text) => {
    store.save('default', profile)
    writeFileSync(store.path, text)
    expect(() => store.find(undefined)).toThrow(/is not a file of profiles/)
  })
})

describe('signing in', () => {
  const env = () => ({ XDG_CONFIG_HOME: folder, ATOLL_TOKEN: '', ATOLL_URL: '', ATOLL_MESH: '' })
  const login = ['login', '--url', 'https://plane.test/', '--token-stdin']
  const answers = { 'GET /v1/whoami': whoami }

  it('stores a token that the plane knows', async () => {
    const run = await runFake(login, { env: env(), stdin: 'atoll_token_1_x\n', answers })
    expect(run).toMatchObject({ code: 0, calls: [{ headers: { authorization: 'Bearer atoll_token_1_x' } }] })
    expect(run.stdout + run.stderr).not.toContain('atoll_token')
    expect(store.find(undefined)).toEqual({ name: 'default', profile })
  })

  it('stores nothing that the plane refuses', async () => {
    const refusal = { type: '', title: 'no', status: 401, code: 'unauthenticated', requestId: 'r' }
    const run = await runFake(login, {
      env: env(),
      stdin: 'x',
      answers: { 'GET /v1/whoami': { status: 401, body: refusal } },
    })
    expect(run.code).toBe(4)
    expect(store.find(undefined).profile).toBeUndefined()
  })

  it('asks on a terminal, and nowhere else', async () => {
    const asked = await runFake(login.slice(0, 3), { env: env(), terminal: ['atoll_token_1_x'], answers })
    expect(asked).toMatchObject({ code: 0, stderr: 'Token: ' })
    expect((await runFake(login.slice(0, 3), { env: env(), answers })).code).toBe(2)
  })

  it('makes the first org with the set-up token', async () => {
    const made = { org: 'acme', token: { ...whoami.body.token, secret: 'atoll_token_1_x' } }
    const run = await runFake(['login', '--url', 'https://plane.test', '--setup-token-stdin', '--org', 'acme'], {
      env: env(),
      stdin: 'atoll_setup_1_y\n',
      answers: { 'POST /v1/setup': { status: 201, body: made } },
    })
    expect(JSON.parse(run.calls[0]?.body ?? '')).toEqual({ setupToken: 'atoll_setup_1_y', org: 'acme' })
    expect(run.calls[0]?.headers).not.toHaveProperty('authorization')
    expect(store.find(undefined).profile).toEqual(profile)
    expect(run.stdout + run.stderr).not.toMatch(/atoll_(token|setup)/)
  })

  it('shows a stored token to no other plane', async () => {
    store.save('default', profile)
    const run = await runFake(['whoami', '--url', 'https://other.test'], { env: env(), answers })
    expect(run).toMatchObject({ code: 4, calls: [] })
  })

  it('forgets the profile on logout', async () => {
    store.save('default', profile)
    expect((await runFake(['logout'], { env: env() })).code).toBe(0)
    expect(readFileSync(store.path, 'utf8')).not.toContain('atoll_token')
  })
})
