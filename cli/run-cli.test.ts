import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { problemTypes, toProblemDetails } from '#api/problem-details.ts'
import type { ApiProblemCode } from '#api/problem-details.ts'
import { runFake } from '#test/cli/fake-io.ts'
import { exitCodes, exitReasonOf } from './exit-code.ts'

const owner = {
  org: 'acme',
  token: {
    id: 't1',
    name: 'me',
    role: 'owner',
    scopes: {},
    createdAt: '2026-01-01T00:00:00Z',
    expiresAt: '2027-01-01T00:00:00Z',
  },
}
const whoami = { 'GET /v1/whoami': { status: 200, body: owner } }
const refused = (code: ApiProblemCode) => ({
  'GET /v1/whoami': {
    status: problemTypes[code].status,
    body: toProblemDetails(code, { requestId: 'r1', detail: 'because' }),
  },
})

describe('exit codes', () => {
  it('are 0 for what was done', async () => {
    expect((await runFake(['whoami'], { answers: whoami })).code).toBe(0)
  })

  it('are 0 for the version, however it is asked for', async () => {
    const asked = await runFake(['--version'])
    expect(asked).toMatchObject({ code: 0, stdout: expect.stringMatching(/^atoll \d/) as string })
    expect(await runFake(['version'])).toEqual(asked)
  })

  it.each([
    ['an unknown command', ['nope']],
    ['an unknown option', ['whoami', '--nope']],
    ['a group without a command', ['mesh']],
    ['a missing argument', ['mesh', 'create']],
    ['a missing option', ['apply']],
    ['a bad choice', ['whoami', '-o', 'xml']],
    ['a bad duration', ['token', 'create', '--ttl', 'soon']],
    ['a bad number', ['revision', 'show', 'seven']],
    ['a file that is not there', ['apply', '-f', '/nonexistent.yaml']],
    ['an unknown kind', ['get', 'Banana']],
    ['a plane without TLS', ['whoami', '--url', 'http://plane.test']],
  ])('are 2 for %s', async (_, args) => {
    const { code, stdout, stderr } = await runFake(args)
    expect(stdout).toBe('')
    expect(stderr).not.toBe('')
    expect(code).toBe(2)
  })

  it.each(Object.keys(problemTypes) as ApiProblemCode[])('tell %s from the others, with its code', async (code) => {
    const run = await runFake(['whoami'], { answers: refused(code) })
    expect(run.code).toBe(exitCodes[exitReasonOf[code]].code)
    expect(run.stderr).toContain(`error (${code}): because`)
    expect(run.stdout).toBe('')
  })

  it('are 4 without a token, with the remedy', async () => {
    const { code, stderr, calls } = await runFake(['whoami'], { env: { ATOLL_TOKEN: '' } })
    expect(code).toBe(4)
    expect(stderr).toContain('atoll login --url https://plane.test')
    expect(calls).toEqual([])
  })

  it('are 8 when nobody answers', async () => {
    const { code, stderr, calls } = await runFake(['whoami'])
    expect(code).toBe(8)
    expect(stderr).toContain('error (unreachable): No answer from https://plane.test')
    expect(calls.length).toBeGreaterThan(1)
  })
})

describe('what is printed', () => {
  it('never is a stack trace, unless it is asked for', async () => {
    const quiet = await runFake(['whoami'], { answers: refused('internal') })
    expect(quiet.stderr).not.toMatch(/\n\s+at /)
    expect(quiet.stderr).toContain('request r1')
    const loud = await runFake(['whoami'], { answers: refused('internal'), env: { ATOLL_DEBUG: '1' } })
    expect(loud.stderr).toMatch(/\n\s+at /)
  })

  it.each([
    ['table', /^Plane +https:\/\/plane\.test\nOrg +acme\n/],
    ['json', /^\{\n {2}"url": "https:\/\/plane\.test",\n {2}"org": "acme"/],
    ['yaml', /^url: https:\/\/plane\.test\norg: acme\n/],
    ['name', /^acme\n$/],
  ])('is %s on request', async (format, expected) => {
    expect((await runFake(['whoami', '-o', format], { answers: whoami })).stdout).toMatch(expected)
  })

  it('has colours on a terminal only, and not with NO_COLOR', async () => {
    const colour = '\u001B['
    const run = (world: object) => runFake(['whoami'], { answers: refused('forbidden'), ...world })
    expect((await run({})).stderr).not.toContain(colour)
    expect((await run({ terminal: [] })).stderr).toContain(colour)
    expect((await run({ terminal: [], env: { NO_COLOR: '1' } })).stderr).not.toContain(colour)
  })

  it('can not rewrite the terminal', async () => {
    const hostile = { ...owner, token: { ...owner.token, name: 'me\u001B[2J\u202E' } }
    const { stdout } = await runFake(['whoami'], { answers: { 'GET /v1/whoami': { status: 200, body: hostile } } })
    expect(stdout).toContain(String.raw`me\u001b[2J\u202e`)
  })
})

describe('a plane that can not be used', () => {
  const untrusted = () => {
    const advice =
      'self-signed certificate; if the root CA is installed locally, try running Node.js with --use-system-ca'
    throw new TypeError('fetch failed', {
      cause: Object.assign(new Error(advice), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    })
  }

  it('has an authority that is not known here: how to make it known', async () => {
    const { code, stderr } = await runFake(['whoami'], { answers: { 'GET /v1/whoami': untrusted } })
    expect(code).toBe(8)
    expect(stderr).toContain('self-signed certificate\n  → ')
    expect(stderr).toContain('NODE_EXTRA_CA_CERTS=FILE')
  })

  it('does not take the token of a login: that it is wrong, not to log in again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'atoll-login-'))
    try {
      const { code, stderr } = await runFake(['login', '--token-stdin'], {
        stdin: 'atoll_token_1_x',
        env: { XDG_CONFIG_HOME: folder },
        answers: refused('unauthenticated'),
      })
      expect(code).toBe(4)
      expect(stderr).toContain('it is wrong, expired or revoked')
      expect(stderr).not.toContain('atoll login')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('has a URL that is none', async () => {
    const { code, stderr } = await runFake(['login', '--url', 'not-a-url', '--token-stdin'])
    expect(code).toBe(2)
    expect(stderr).toContain('--url not-a-url is not the URL of a plane')
  })
})

describe('the connection', () => {
  it('sends the token to the plane, and an idempotency key with what it writes', async () => {
    const { calls } = await runFake(['token', 'revoke', 't2'], { answers: { 'DELETE /v1/tokens/t2': { status: 204 } } })
    expect(calls).toMatchObject([
      {
        method: 'DELETE',
        path: '/v1/tokens/t2',
        headers: { authorization: 'Bearer atoll_token_1_x', 'idempotency-key': 'id-0' },
      },
    ])
  })

  it('finds the only mesh by itself', async () => {
    const mesh = (name: string) => ({
      id: name,
      name,
      settings: { meshId: name, meshName: name, trustDomain: 'a.example' },
      revision: 0,
      clusters: 0,
      createdAt: '2026-01-01T00:00:00Z',
    })
    const list = (...names: string[]) => ({ status: 200, body: { items: names.map(mesh), nextCursor: null } })
    const run = (...names: string[]) =>
      runFake(['mesh', 'show'], {
        env: { ATOLL_MESH: '' },
        answers: { 'GET /v1/meshes': list(...names), 'GET /v1/meshes/one': { status: 200, body: mesh('one') } },
      })
    expect((await run('one')).stdout).toContain('Name             one')
    expect(await run()).toMatchObject({ code: 5, stdout: '' })
    expect(await run('one', 'two')).toMatchObject({ code: 2, stdout: '' })
  })
})
