import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { AgentError } from '#agent/agent-error.ts'
import { agentRecord } from '#agent/join/agent-record.ts'
import { joinMesh } from '#agent/join/join-mesh.ts'
import { toRecordStore } from '#agent/join/record-store.ts'
import { SealedDocument } from '#agent/store/sealed-document.ts'
import { loadSealingKey } from '#agent/store/sealing-key.ts'
import { clusterName, meshName, networkName } from '#mesh/names.ts'
import type { JoinRequest, JoinResponse } from '#mesh/join.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { domain, east, TestRoot, west } from '../test-pki.ts'
import { VirtualClock } from '../virtual-clock.ts'
import { joinToken } from './test-plane.ts'

const createJoiner = async () => {
  const directory = temporaryDirectory()
  const tokenFile = join(directory, 'join-token')
  writeFileSync(tokenFile, `${joinToken}\n`)
  const root = await TestRoot.create(Date.now())
  const requests: JoinRequest[] = []
  const clock = new VirtualClock(Date.now())
  const document = new SealedDocument({
    path: join(directory, 'agent.sealed'),
    name: 'agent',
    key: loadSealingKey(join(directory, 'sealing.key'), true),
    schema: agentRecord,
    report: () => {},
  })
  const toMembership = (certificatePem: string, trusted = root): JoinResponse => ({
    mesh: meshName.parse('demo'),
    meshId: 'mesh-1',
    cluster: clusterName.parse('east'),
    network: networkName.parse('net-east'),
    trustDomain: domain,
    certificatePem,
    rootsPem: [trusted.pem],
  })
  const stop = new AbortController()
  const log: string[] = []
  const start = (answer: (request: JoinRequest) => Promise<JoinResponse>, file: string | undefined = tokenFile) =>
    joinMesh({
      records: toRecordStore(document),
      tokenFile: file,
      post: (request) => {
        requests.push(request)
        return answer(request)
      },
      clock,
      random: () => 0.5,
      log: pino({}, { write: (line) => void log.push(line) }),
      signal: stop.signal,
    })
  return { tokenFile, root, requests, clock, document, toMembership, start, stop, log }
}

describe('joining', () => {
  test('what the plane signs is kept, the token goes, and a second start asks nobody', async () => {
    const { root, toMembership, start, tokenFile, requests } = await createJoiner()
    const joined = await start(async ({ csrPem }) => toMembership(await root.sign(csrPem, east)))
    expect(joined.membership.cluster).toBe('east')
    expect(existsSync(tokenFile)).toBe(false)
    expect(await start(() => Promise.reject(new Error('not asked')), '/nowhere')).toEqual(joined)
    expect(requests).toHaveLength(1)
  })

  test('a token that a crash left behind is deleted at the next start; another one stays, and is said to be ignored', async () => {
    const { root, toMembership, start, tokenFile, log } = await createJoiner()
    const joined = await start(async ({ csrPem }) => toMembership(await root.sign(csrPem, east)))
    const again = () => start(() => Promise.reject(new Error('not asked')))
    writeFileSync(tokenFile, `${joinToken}\n`)
    expect(await again()).toEqual(joined)
    expect(existsSync(tokenFile)).toBe(false)
    expect(log.join('')).not.toContain('ignored')
    const another = 'atoll_join_8899aabbccddeeff_othersecret'
    for (const text of [another, 'no token at all']) {
      writeFileSync(tokenFile, text)
      log.length = 0
      expect(await again()).toEqual(joined)
      expect(existsSync(tokenFile)).toBe(true)
      expect(log.join('')).toContain('the join token is ignored')
    }
    expect(log.join('')).not.toContain('othersecret')
  })

  test('an answer that is lost is asked for again, with the same request, now and after a restart', async () => {
    const { root, toMembership, start, requests, clock } = await createJoiner()
    const unreachable = () => Promise.reject(new AgentError('unreachable', 'away'))
    await expect(start(() => Promise.reject(new AgentError('join_refused', 'a crash in the middle')))).rejects.toThrow(
      'crash',
    )
    const answers = [unreachable, unreachable]
    const joining = start(async (request) =>
      (answers.shift() ?? (async () => toMembership(await root.sign(request.csrPem, east))))(),
    )
    for (let round = 0; round < 200 && requests.length < 4; round += 1) {
      clock.advance(1000)
      await new Promise(setImmediate)
    }
    expect((await joining).membership.cluster).toBe('east')
    expect(requests).toHaveLength(4)
    expect(
      new Set(requests.map(({ csrPem, identityKeyPem, replica }) => `${csrPem} ${identityKeyPem} ${replica}`)).size,
    ).toBe(1)
  })

  test('a plane that is away is waited for only as long as the agent is to run', async () => {
    const { start, stop } = await createJoiner()
    const joining = start(() => Promise.reject(new AgentError('unreachable', 'away')))
    stop.abort()
    await expect(joining).rejects.toMatchObject({ code: 'unreachable' })
  })

  test.each([
    ['another cluster’s certificate', (root: TestRoot, csrPem: string) => root.sign(csrPem, west)],
    ['one that is no CA', (root: TestRoot, csrPem: string) => root.sign(csrPem, east, { isCa: false })],
    ['one for anything', (root: TestRoot, csrPem: string) => root.sign(csrPem, east, { permitted: [{ dns: '' }] })],
    ['something else', () => Promise.resolve('not a certificate')],
  ])('%s is refused', async (_what, sign) => {
    const { root, toMembership, start, document } = await createJoiner()
    const joining = start(async ({ csrPem }) => toMembership(await sign(root, csrPem)))
    await expect(joining).rejects.toMatchObject({ code: 'bad_join_answer' })
    expect(document.load()?.membership).toBeNull()
  })

  test('a certificate of another root, or for another key, is refused', async () => {
    const { root, toMembership, start, requests } = await createJoiner()
    const other = await TestRoot.create(Date.now())
    await expect(start(async ({ csrPem }) => toMembership(await other.sign(csrPem, east)))).rejects.toThrow(/root/)
    const stranger = await createJoiner()
    await expect(stranger.start(() => Promise.reject(new AgentError('join_refused', 'no')))).rejects.toThrow('no')
    const [foreign] = stranger.requests
    const joining = start(async () => toMembership(await root.sign(foreign?.csrPem ?? '', east)))
    await expect(joining).rejects.toThrow(/another key/)
    expect(requests).toHaveLength(2)
  })

  test('a record that can not be read is not joined over', async () => {
    const { root, start, toMembership, tokenFile, requests } = await createJoiner()
    await start(async ({ csrPem }) => toMembership(await root.sign(csrPem, east)))
    const files = ['agent.sealed', 'agent.sealed.previous'].map((name) => join(dirname(tokenFile), name))
    for (const file of files) writeFileSync(file, 'of a newer agent')
    writeFileSync(tokenFile, joinToken)
    const again = start(() => Promise.reject(new Error('not asked')))
    await expect(again).rejects.toMatchObject({ code: 'store_unusable' })
    for (const file of files) expect(readFileSync(file, 'utf8')).toBe('of a newer agent')
    expect(requests).toHaveLength(1)
  })

  test('without a token there is nothing to try', async () => {
    const { start } = await createJoiner()
    const never = () => Promise.reject(new Error('not asked'))
    await expect(start(never, '/nowhere/join-token')).rejects.toMatchObject({ code: 'not_joined' })
  })
})
