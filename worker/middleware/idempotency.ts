import { createMiddleware } from 'hono/factory'
import { AtollError } from '#api/atoll-error.ts'
import type { AppContext, AppEnv } from '../app-env.ts'
import { beginRequest, endRequest, forgetRequest } from '../directory/idempotency.ts'
import type { RequestName } from '../directory/idempotency.ts'
import { toBase64, toUtf8 } from '../encode-bytes.ts'
import { randomBytes } from '../random-bytes.ts'
import { deriveSealingKey, openText, seal, toSealedText } from '../seal.ts'
import { sha256Hex } from '../secret-token.ts'
import { readCredential } from './credential.ts'
import { toClientAddress } from './rate-limit.ts'
import { readBodyText } from './request-body.ts'

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
  const sealing = await deriveSeal(`${secret}\n${request}`, key)

  const beginning = await beginRequest(db, name, Date.now())
  switch (beginning.kind) {
    case 'conflict':
      throw new AtollError('idempotency_conflict', 'the key was used for another request, or this one is still running')
    case 'full':
      throw new AtollError('rate_limited', 'too many requests with an Idempotency-Key in a day', {
        limit: { name: 'idempotency-keys', retryAfterSeconds: 60 * 60 },
      })
    case 'done':
      c.res = toResponse(beginning.status, await open(sealing, name, beginning.answer))
      return
    case 'new':
  }
  await next()
  const answer =
    c.res.status < 500 && !c.get('hasNoEffect') ? await close(sealing, name, await toAnswer(c.res)) : undefined
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

const deriveSeal = (secret: string, salt: string): Promise<CryptoKey> =>
  deriveSealingKey(toUtf8(secret), { purpose: 'atoll idempotency', salt })

const placeOf = ({ caller, key }: RequestName) => ['idempotency', caller, key]

const close = async (key: CryptoKey, name: RequestName, answer: Answer): Promise<string> => {
  const packed = await pipe(toUtf8(JSON.stringify(answer)), new CompressionStream('gzip'))
  return toSealedText(await seal(key, placeOf(name), packed, randomBytes), toBase64)
}

const open = async (key: CryptoKey, name: RequestName, text: string): Promise<Answer> => {
  const packed = await openText(key, placeOf(name), text)
  if (!packed) throw new Error('the answer that was kept does not open')
  return JSON.parse(new TextDecoder().decode(await pipe(packed, new DecompressionStream('gzip')))) as Answer
}

const pipe = (bytes: BufferSource, through: CompressionStream | DecompressionStream): Promise<ArrayBuffer> =>
  new Response(new Blob([bytes]).stream().pipeThrough(through)).arrayBuffer()
