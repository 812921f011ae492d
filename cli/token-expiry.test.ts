import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runFake } from '#test/cli/fake-io.ts'

const WARNING = 'warning: this token ends in'
const toToken = (createdAt: string, expiresAt: string) => ({
  id: 't1',
  name: 'me',
  role: 'owner',
  scopes: {},
  createdAt: `${createdAt}T12:00:00Z`,
  expiresAt: `${expiresAt}T12:00:00Z`,
})

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'atoll-expiry-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The clock of these tests stands at noon of 2026-11-21. */
const run = (args: readonly string[], token: ReturnType<typeof toToken>) =>
  runFake(args, {
    env: { XDG_CONFIG_HOME: folder },
    stdin: 'atoll_token_1_x',
    answers: {
      'GET /v1/whoami': { status: 200, body: { org: 'acme', token } },
      'GET /v1/tokens': { status: 200, body: { items: [token], nextCursor: null } },
    },
  })

describe('the end of a token', () => {
  const commands = [['whoami'], ['token', 'list'], ['login', '--token-stdin']].map((args) => [args.join(' '), args])
  it.each(commands as [string, string[]][])('is told by %s, with the time that is left', async (_, args) => {
    const { stdout, stderr } = await run(args, toToken('2026-11-01', '2027-11-02'))
    expect(stdout).toContain('2027-11-02T12:00:00Z (in 346d)')
    expect(stderr).not.toContain(WARNING)
  })

  it.each([
    ['whoami', ['whoami']],
    ['login', ['login', '--token-stdin']],
  ])('is warned of by %s when it is less than thirty days away', async (_, args) => {
    const near = await run(args, toToken('2026-01-01', '2026-12-20'))
    expect(near.stderr).toContain(`${WARNING} 29d`)
    const far = await run(args, toToken('2026-01-01', '2026-12-21'))
    expect(far.stderr).not.toContain(WARNING)
  })

  it('is not warned of when the token was made for a short time', async () => {
    expect((await run(['whoami'], toToken('2026-11-20', '2026-12-20'))).stderr).not.toContain(WARNING)
  })

  it('is told as such when it has passed', async () => {
    expect((await run(['token', 'list'], toToken('2026-01-01', '2026-11-20'))).stdout).toContain('(over)')
  })
})

describe('a list of tokens', () => {
  const answers = (items: readonly unknown[]) => ({
    'GET /v1/tokens': { status: 200, body: { items, nextCursor: null } },
    'GET /v1/meshes/prod/clusters/east/machine-tokens': { status: 200, body: { items, nextCursor: null } },
  })
  const env = { ATOLL_URL: 'https://plane.test', ATOLL_TOKEN: 'atoll_token_1_x', ATOLL_MESH: 'prod' }
  const late = { ...toToken('2026-09-26', '2026-11-26'), id: 't2', name: 'ci' }
  const machine = { cluster: 'east', role: 'sidecar', namespace: 'shop', serviceAccount: 'x', workload: 'web' }

  it('warns of the first that ends, of those made to last', async () => {
    const hourly = { ...toToken('2026-11-21', '2026-11-22'), id: 't3' }
    const far = toToken('2026-11-01', '2027-11-02')
    const soon = toToken('2026-09-21', '2026-12-10')
    const list = (...items: readonly unknown[]) => runFake(['token', 'list'], { env, answers: answers(items) })
    expect((await list(far, hourly)).stderr).toBe('')
    expect((await list(far, late, hourly)).stderr).toBe(
      'warning: the token ci (t2) ends in 5d. Make another one in time: atoll token create\n',
    )
    expect((await list(soon, late)).stderr).toContain('ci (t2) ends in 5d, and 1 more within 30 days.')
  })

  it('says of machines how long they have, and warns', async () => {
    const args = ['machine', 'token', 'list', '--cluster', 'east']
    const { stdout, stderr } = await runFake(args, { env, answers: answers([{ ...late, ...machine }]) })
    expect(stdout).toContain('2026-11-26T12:00:00Z (in 5d)')
    expect(stderr).toBe(
      'warning: the machine token of shop/web ends in 5d. Make another one in time: atoll machine token create --cluster east\n',
    )
  })
})
