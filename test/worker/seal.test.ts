import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import { deriveOrgKek, openBytes } from '#worker/ca/sealed-key.ts'
import { fromBase64, toUtf8 } from '#worker/encode-bytes.ts'
import { randomBytes } from '#worker/random-bytes.ts'
import { deriveSealingKey, open, openText, readPlaneSecret, seal, toSealedText } from '#worker/seal.ts'
import { sha256Hex } from '#worker/secret-token.ts'
import { openValue, sealValue } from '#worker/sign-in/seal-text.ts'
import { send, SETUP_TOKEN } from './support/test-plane.ts'

const material = new Uint8Array(32).fill(7)
const text = (bytes: ArrayBuffer | undefined) => bytes && new TextDecoder().decode(bytes)

test('what is sealed opens for the same purpose, owner and place alone', async () => {
  const purpose = { purpose: 'a test', salt: 'org' }
  const key = await deriveSealingKey(material, purpose)
  const sealed = await seal(key, ['a', 'b'], toUtf8('told'), randomBytes)
  expect(text(await open(await deriveSealingKey(material, purpose), ['a', 'b'], sealed))).toBe('told')
  for (const place of [['a', 'c'], ['a'], undefined]) expect(await open(key, place, sealed)).toBeUndefined()
  for (const other of [
    { ...purpose, salt: 'other' },
    { ...purpose, purpose: 'another test' },
  ])
    expect(await open(await deriveSealingKey(material, other), ['a', 'b'], sealed)).toBeUndefined()
  const written = toSealedText(sealed, (bytes) => btoa(String.fromCharCode(...bytes)))
  expect(text(await openText(key, ['a', 'b'], written))).toBe('told')
  // Not as if an older version had sealed it, and nothing else that is no such text.
  const unbound = written.split('.').slice(1).join('.')
  for (const wrong of [unbound, `v3.${unbound}`, 'nonsense', '', '.', 'v2.a.b', `${written}.`])
    expect(await openText(key, ['a', 'b'], wrong)).toBeUndefined()
})

test('what the version before has sealed opens: a key, what sign-in keeps, an answer to a repeated request', async () => {
  const kek = await deriveOrgKek(env.ATOLL_KEK, 'org')
  const place = { what: 'x', parts: ['org', 'mesh', 'key'] }
  expect(text(await openBytes(kek, place, 'v2.e9409a0c.KxR+8t63WQUgiTJ3.bcO9zgPUzBGadVNJ9ugrsMBSqyMP'))).toBe('a key')

  const kept = '8U7yItlgtSXzKz-P.hXlK0OBx_l3YMOwg1NZC_5c68oiyy9sT1_Ai-bg6Sg'
  expect(await openValue(env, 'state', kept)).toEqual({ of: 'before' })
  expect(await openValue(env, 'another', kept)).toBeUndefined()

  const body = { setupToken: SETUP_TOKEN, org: 'acme' }
  const requestHash = await sha256Hex(['POST', '/v1/setup', '', JSON.stringify(body)].join('\n'))
  const answer =
    'Md1QIMrnw5FmgWol.jQQL8L3bldzSVJ3jj5b0Rby0rsofKbXhysyGjvFOIMw2ghg/slc35eKPdszhnUKGes/uAaLWW0r2z2PzrBLalKH1tia91+fNe1fLMZIw9Dd9uEYP0IqULt8D0swptBpmUuQh'
  await env.DB.prepare(
    'INSERT INTO idempotency (caller, key, request_hash, status, answer, expires_at) VALUES (?, ?, ?, 201, ?, ?)',
  )
    .bind('local', 'stored-before', requestHash, answer, Date.now() + 60_000)
    .run()
  const again = await send('POST', '/v1/setup', { body, headers: { 'Idempotency-Key': 'stored-before' } })
  expect([again.status, again.body]).toEqual([201, { told: 'before' }])
})

test('what sign-in keeps opens with the secret that was the one before, and in a URL', async () => {
  const { ATOLL_KEK = '' } = env
  const other = btoa(String.fromCharCode(...material))
  const sealed = await sealValue(other, 'state', { for: 'minutes' })
  expect(sealed).toBe(encodeURIComponent(sealed))
  expect(await openValue({ ATOLL_KEK, ATOLL_KEK_PREVIOUS: other }, 'state', sealed)).toEqual({
    for: 'minutes',
  })
  expect(await openValue({ ATOLL_KEK }, 'state', sealed)).toBeUndefined()
})

test('a secret of the plane that is not one is named, and not repeated', () => {
  expect(readPlaneSecret('ATOLL_KEK', env.ATOLL_KEK)).toEqual(fromBase64(env.ATOLL_KEK ?? ''))
  for (const wrong of [undefined, 'hunter2', btoa('hunter2')]) {
    expect(() => readPlaneSecret('ATOLL_KEK_PREVIOUS', wrong)).toThrow('the secret ATOLL_KEK_PREVIOUS must be 32 bytes')
    expect(() => readPlaneSecret('ATOLL_KEK', wrong)).not.toThrow('hunter2')
  }
})
