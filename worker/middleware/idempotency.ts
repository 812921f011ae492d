import { createMiddleware } from 'hono/factory'
import { AtollError } from '#api/atoll-error.ts'
import type { AppContext, AppEnv } from '../app-env.ts'
import { beginRequest, endRequest, forgetRequest } from '../directory/idempotency.ts'
import { fromBase64, toBase64, toUtf8 } from '../encode-bytes.ts'
import { sha256Hex } from '../secret-token.ts'
import { readCredential } from './credential.ts'
import { toClientAddress } from './rate-limit.ts'
import { readBodyText } from './request-body.ts'

const IV_BYTES = 12
/** Half of the largest row of D1 (docs/limits.md). */
const MAX_ANSWER_CHARS = 1_000_000
const keyShape = /^[\x21-\x7e]{8,128}$/

/**
 * Answers a write that is repeated with the same `Idempotency-Key` as the first time, without doing it again. The stored answer may hold
 * the secret of a new token, so it is sealed with what only the caller has: its own token and the request.
 *
 * @example
 * app.use('/v1/*', idempotency)
 */
export const idempotency = createMiddleware<AppEnv>(async (c, next) => {
  const key = c.req.header('Idempotency-Key')
  if (key === undefined || c.req.method === 'GET') return next()
  if (!keyShape.test(key))
    throw new AtollError('invalid_request', 'an Idempotency-Key has 8 to 128 printable characters')

  const db = c.env.DB
  const request = await toRequestText(c)
  // Before there is a token (set-up), the request itself is what nobody else has; and one address may not use up the room of others.
  const caller = c.get('caller') as AppEnv['Variables']['caller'] | undefined
  const name = { caller: caller?.token.id ?? toClientAddress(c), key, requestHash: await sha256Hex(request) }
  // Of an open route the caller has none, whatever it sends along.
  const secret = c.req.header('Authorization') ?? (caller?.session && readCredential(c)?.text) ?? ''
  const seal = await deriveSeal(`${secret}\n${request}`, key)

  const beginning = await beginRequest(db, name, Date.now())
  switch (beginning.kind) {
    case 'conflict':
      throw new AtollError('idempotency_conflict', 'the key was used for another request, or this one is still running')
    case 'full':
      throw new AtollError('rate_limited', 'too many requests with an Idempotency-Key in a day', {
        limit: { name: 'idempotency-keys', retryAfterSeconds: 60 * 60 },
      })
    case 'done':
      c.res = toResponse(beginning.status, await open(seal, beginning.answer))
      return
    case 'new':
  }
  await next()
  const answer = c.res.status < 500 && !c.get('hasNoEffect') ? await close(seal, await toAnswer(c.res)) : undefined
  // An answer this long lists what an apply or a rollback changed: done again, it changes nothing.
  if (answer === undefined || answer.length > MAX_ANSWER_CHARS) await forgetRequest(db, name)
  else await endRequest(db, name, c.res.status, answer, Date.now())
})

const toRequestText = async (c: AppContext): Promise<string> => {
  const { pathname, search } = new URL(c.req.url)
  return [c.req.method, pathname + search, c.req.header('If-Match') ?? '', await readBodyText(c)].join('\n')
}

interface Answer {
  readonly contentType: string | null
  readonly body: string
}

const toAnswer = async (response: Response): Promise<Answer> => ({
  contentType: response.headers.get('Content-Type'),
  body: await response.clone().text(),
})

const toResponse = (status: number, { contentType, body }: Answer): Response =>
  new Response(status === 204 ? null : body, {
    status,
    headers: contentType === null ? {} : { 'Content-Type': contentType },
  })

const deriveSeal = async (secret: string, salt: string): Promise<CryptoKey> => {
  const material = await crypto.subtle.importKey('raw', toUtf8(secret), 'HKDF', false, ['deriveKey'])
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: toUtf8(salt), info: toUtf8('atoll idempotency') },
    material,
    { name: 'AES-GCM', length: 256 },
    false,
    ['encrypt', 'decrypt'],
  )
}

const close = async (seal: CryptoKey, answer: Answer): Promise<string> => {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
  const packed = await pipe(toUtf8(JSON.stringify(answer)), new CompressionStream('gzip'))
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, seal, packed)
  return `${toBase64(iv)}.${toBase64(new Uint8Array(sealed))}`
}

const open = async (seal: CryptoKey, text: string): Promise<Answer> => {
  const [iv, sealed] = text.split('.').map((part) => fromBase64(part) ?? new Uint8Array())
  const bytes = await crypto.subtle.decrypt(
    { name: 'AES-GCM', iv: iv ?? new Uint8Array() },
    seal,
    sealed ?? new Uint8Array(),
  )
  return JSON.parse(new TextDecoder().decode(await pipe(bytes, new DecompressionStream('gzip')))) as Answer
}

const pipe = (bytes: BufferSource, through: CompressionStream | DecompressionStream): Promise<ArrayBuffer> =>
  new Response(new Blob([bytes]).stream().pipeThrough(through)).arrayBuffer()
