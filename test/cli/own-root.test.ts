import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runFake } from './fake-io.ts'

/** What is brought as a root leaves the machine as the plane wants it, or not at all. The rest is done with a real plane: test/envoy/mesh/rotation.test.ts. */
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'atoll-own-root-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

const write = (name: string, text: string | Buffer): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const env = { ATOLL_URL: 'http://127.0.0.1:8787', ATOLL_TOKEN: 'atoll_token_x_y', ATOLL_MESH: 'prod' }
const rotate = (...args: readonly string[]) =>
  runFake(['trust', 'rotate', ...args], {
    env,
    answers: { 'POST /v1/meshes/prod/trust/rotation': { status: 409, body: { code: 'conflict' } } },
  })

test('a key as openssl writes it is sent as PKCS#8, with the chain', async () => {
  const chain = write('chain.pem', 'the chain')
  const key = write('sec1.key', privateKey.export({ type: 'sec1', format: 'pem' }))
  const { calls } = await rotate('--chain', chain, '--key', key)
  const sent = calls.map(({ body }) => JSON.parse(body ?? '{}') as { root: Record<string, string> })
  expect(sent[0]?.root).toEqual({
    chainPem: 'the chain',
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  })
})

test.each<[string, () => readonly string[], RegExp]>([
  ['a key without its certificate', () => ['--key', write('k', 'x')], /--chain/],
  ['a file that is not there', () => ['--chain', join(folder, 'none')], /can not be read/],
  ['what is no key', () => ['--chain', write('c', 'x'), '--key', write('k', 'x')], /not a private key/],
  [
    'a key with a password',
    () => [
      '--chain',
      write('c', 'x'),
      '--key',
      write('k', privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hunter2' })),
    ],
    /openssl pkey/,
  ],
])('%s is not sent', async (_, toArgs, reason) => {
  const { code, stderr, calls } = await rotate(...toArgs())
  expect(code).not.toBe(0)
  expect(stderr).toMatch(reason)
  expect(calls).toEqual([])
})
