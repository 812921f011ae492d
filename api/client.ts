import type { RouteConfig } from '@hono/zod-openapi'
import { z } from 'zod'
import { parseJson } from '#mesh/parse-json.ts'
import { AtollError } from './atoll-error.ts'
import { problemDetails, problemTypes } from './problem-details.ts'
import type { ApiProblemCode } from './problem-details.ts'
import { health } from './routes/plane.ts'
import { CSRF_HEADER } from './schemas/sessions.ts'
import { parseServerEvents, type ServerEvent } from './server-events.ts'

/** What the client needs of `fetch`; the caller adds time limits, proxies and certificates. */
export type HttpFetch = (
  url: string,
  /** `streams`: the answer is read as it comes, however long that takes. */
  init: { method: string; headers: Record<string, string>; body?: string; streams?: true },
) => Promise<HttpAnswer>

export interface HttpAnswer {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  text(): Promise<string>
  /** Of one that streams: its text as it comes. */
  chunks?(): AsyncIterable<string>
}

export interface ApiClientOptions {
  /** Where the plane is, such as "https://atoll.example.com"; a path before /v1 is kept. */
  readonly baseUrl: string
  /** Of the program that asks: what can come of a plane of another version says so. */
  readonly version: string
  /** Absent for the routes that need none. */
  readonly token?: string | undefined
  /** Of a page of the plane: `fetch` sends the cookie of its session. */
  readonly usesSession?: true
  readonly fetch: HttpFetch
  readonly sleep: (milliseconds: number) => Promise<void>
  /** In [0, 1), for jitter. */
  readonly random: () => number
  /** A fresh unguessable key for every write. */
  readonly newIdempotencyKey: () => string
}

type InputOf<Schema> = Schema extends z.ZodType ? z.input<Schema> : never
type ParamsOf<R> = R extends { request: { params: infer Schema } } ? { params: InputOf<Schema> } : unknown
type QueryOf<R> = R extends { request: { query: infer Schema } } ? { query?: InputOf<Schema> } : unknown
type BodyOf<R> = R extends { request: { body: { content: infer Content } } }
  ? Content extends { 'application/yaml': unknown }
    ? { yaml: string }
    : Content extends { 'application/json': { schema: infer Schema } }
      ? { json: InputOf<Schema> }
      : unknown
  : unknown
type IfMatchOf<R> = R extends { request: { headers: z.ZodType<{ 'If-Match'?: string | undefined }> } }
  ? { ifMatch?: number | undefined }
  : unknown

/** What a route takes: its path parameters, query, body, and the revision for `If-Match`. */
export type RequestOf<R extends RouteConfig> = ParamsOf<R> & QueryOf<R> & BodyOf<R> & IfMatchOf<R>

type JsonOf<Response> = Response extends { content: { 'application/json': { schema: infer Schema } } }
  ? Schema extends z.ZodType
    ? z.output<Schema>
    : never
  : never

/** What a route answers when it succeeds; `undefined` for 204. */
export type OutputOf<R extends RouteConfig> = R['responses'] extends { 204: unknown }
  ? undefined
  : JsonOf<R['responses'][(200 | 201) & keyof R['responses']]>

interface Page {
  readonly items: readonly unknown[]
  readonly nextCursor: string | null
}
type ItemOf<R extends RouteConfig> = OutputOf<R> extends { items: readonly (infer Item)[] } ? Item : never

interface RequestParts {
  readonly params?: Readonly<Record<string, string | number>>
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly json?: unknown
  readonly yaml?: string
  readonly ifMatch?: number | undefined
}

const MAX_ATTEMPTS = 4
const FIRST_DELAY_MS = 200
const MAX_DELAY_MS = 20_000

/**
 * Calls the routes of `api/routes`, with their types. Answers are parsed by the routes' schemas; refusals are thrown as AtollError.
 * What can be repeated safely is: every write carries an Idempotency-Key.
 *
 * @example
 * const mesh = await client.call(getMesh, { params: { mesh: 'shop' } })
 * for await (const cluster of client.list(listClusters, { params: { mesh: 'shop' } })) …
 */
export class ApiClient {
  readonly #options: ApiClientOptions
  readonly #baseUrl: string

  constructor(options: ApiClientOptions) {
    this.#options = options
    this.#baseUrl = options.baseUrl.replace(/\/+$/, '')
  }

  call<R extends RouteConfig>(route: R, request: RequestOf<R>): Promise<OutputOf<R>>
  async call(route: RouteConfig, request: RequestParts): Promise<unknown> {
    const url = this.#baseUrl + toPath(route.path, request)
    const init = { method: route.method.toUpperCase(), ...this.#content(route, request) }
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#attempt(url, init)
      if (!(outcome instanceof Refusal)) {
        const parsed = parseAnswer(route, outcome)
        if (parsed instanceof AtollError) throw await this.#withVersions(parsed)
        return parsed
      }
      if (attempt === MAX_ATTEMPTS || !outcome.isTransient(attempt)) throw await this.#withVersions(outcome.error)
      await this.#options.sleep(outcome.retryAfterMs ?? this.#backoffMs(attempt))
    }
  }

  /** The pages of a list, one request each. */
  pages<R extends RouteConfig>(route: R, request: RequestOf<R>): AsyncIterable<OutputOf<R>>
  async *pages(route: RouteConfig, request: RequestParts): AsyncIterable<unknown> {
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = (await this.call(route, {
        ...request,
        query: { ...request.query, cursor },
      })) as Page
      yield page
      cursor = page.nextCursor
    }
  }

  /** The items of a list, page by page as they are asked for. */
  list<R extends RouteConfig>(route: R, request: RequestOf<R>): AsyncIterable<ItemOf<R>>
  async *list(route: RouteConfig, request: RequestParts): AsyncIterable<unknown> {
    for await (const page of this.pages(route, request)) yield* (page as Page).items
  }

  /** What a route tells as it happens, until the server ends it. Not repeated: what came in between would be missing. */
  events<R extends RouteConfig>(route: R, request: RequestOf<R>): AsyncIterable<ServerEvent>
  async *events(route: RouteConfig, request: RequestParts): AsyncIterable<ServerEvent> {
    const { headers } = this.#content(route, request)
    const init = { method: 'GET', headers: { ...headers, accept: 'text/event-stream' }, streams: true as const }
    const answer = await this.#reach(this.#options.fetch(this.#baseUrl + toPath(route.path, request), init))
    if (answer.status !== 200 || !answer.chunks)
      throw await this.#withVersions(toError(answer.status, await this.#reach(answer.text())))
    const events = parseServerEvents(answer.chunks())[Symbol.asyncIterator]()
    for (let next = await this.#reach(events.next()); !next.done; next = await this.#reach(events.next()))
      yield next.value
  }

  async #reach<Value>(answer: Promise<Value>): Promise<Value> {
    try {
      return await answer
    } catch (cause) {
      throw this.#toUnreachable(cause)
    }
  }

  #toUnreachable(cause: unknown): AtollError {
    return new AtollError('unreachable', `No answer from ${this.#baseUrl}: ${toReason(cause)}`, { cause })
  }

  #content(route: RouteConfig, request: RequestParts): { headers: Record<string, string>; body?: string } {
    const { token, usesSession, newIdempotencyKey } = this.#options
    const headers: Record<string, string> = { accept: 'application/json, application/problem+json' }
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`
    if (route.method !== 'get') headers['idempotency-key'] = newIdempotencyKey()
    if (usesSession && route.method !== 'get') headers[CSRF_HEADER.toLowerCase()] = '1'
    if (request.ifMatch !== undefined) headers['if-match'] = `"${request.ifMatch}"`
    if (request.yaml !== undefined)
      return { headers: { ...headers, 'content-type': 'application/yaml' }, body: request.yaml }
    if (request.json === undefined) return { headers }
    return { headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(request.json) }
  }

  async #attempt(url: string, init: Parameters<HttpFetch>[1]): Promise<Success | Refusal> {
    try {
      const answer = await this.#options.fetch(url, init)
      const text = await answer.text()
      if (answer.status >= 200 && answer.status < 300) return { status: answer.status, text }
      return new Refusal(toError(answer.status, text), retryAfterMs(answer))
    } catch (cause) {
      return new Refusal(this.#toUnreachable(cause))
    }
  }

  /** What a plane of another version may be the reason of says which versions these are. */
  async #withVersions(error: AtollError): Promise<AtollError> {
    if (!mayComeOfVersions(error)) return error
    const { version } = this.#options
    const plane = await this.#planeVersion()
    if (plane === undefined || plane === version) return error
    const { code, message, status, problems, requestId, cause } = error
    const facts = { status, problems, requestId, cause }
    return new AtollError(code, `${message} (the plane is of version ${plane}, this is ${version})`, facts)
  }

  async #planeVersion(): Promise<string | undefined> {
    const outcome = await this.#attempt(this.#baseUrl + health.path, { method: 'GET', headers: {} })
    if (outcome instanceof Refusal) return undefined
    return healthAnswer.safeParse(parseJson(outcome.text)).data?.version
  }

  /** Exponential with full jitter. */
  #backoffMs(attempt: number): number {
    return Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt) * this.#options.random()
  }
}

interface Success {
  readonly status: number
  readonly text: string
}

class Refusal {
  readonly error: AtollError
  readonly retryAfterMs: number | undefined

  constructor(error: AtollError, retryAfterMs?: number) {
    this.error = error
    this.retryAfterMs = retryAfterMs
  }

  isTransient(attempt: number): boolean {
    const { code, status } = this.error
    if (code === 'unreachable' || code === 'rate_limited' || code === 'unavailable') return true
    // Our own key, sent before: the first attempt is still being worked on.
    if (code === 'idempotency_conflict') return attempt > 1
    // Something between us and the plane.
    return code === 'bad_answer' && (status === 502 || status === 503 || status === 504)
  }
}

const toPath = (template: string, { params = {}, query = {} }: RequestParts): string => {
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(params[name])))
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined)
  if (pairs.length === 0) return path
  return `${path}?${pairs.map(([name, value]) => `${name}=${encodeURIComponent(String(value))}`).join('&')}`
}

/** Another version has other routes, fields and answers. */
const mayComeOfVersions = ({ code, message, status }: AtollError): boolean =>
  code === 'invalid_request' ||
  (code === 'bad_answer' && status !== undefined) ||
  (code === 'not_found' && message.includes('no such route'))

const healthAnswer = z.object({ version: z.string() })

const parseAnswer = (route: RouteConfig, { status, text }: Success): unknown => {
  if (status === 204) return undefined
  const schema = answerSchema(route, status)
  if (schema === undefined) return badAnswer(status, `${route.path} does not answer ${status}`)
  const parsed = schema.safeParse(parseJson(text))
  if (!parsed.success) return badAnswer(status, `${route.path}: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}

const answerSchema = (route: RouteConfig, status: number): z.ZodType | undefined => {
  const response = route.responses[status]
  if (response === undefined || !('content' in response)) return undefined
  const media = response.content?.['application/json']
  return media !== undefined && 'schema' in media && media.schema instanceof z.ZodType ? media.schema : undefined
}

const toError = (status: number, text: string): AtollError => {
  const parsed = anyProblemDetails.safeParse(parseJson(text))
  if (!parsed.success) return badAnswer(status, 'this is no answer of an Atoll plane')
  const { code, title, detail, problems, requestId, limit } = parsed.data
  const message = detail ?? title
  if (isApiProblemCode(code))
    return new AtollError(code, message, {
      status,
      problems,
      requestId,
      ...(limit !== undefined && { limit: { name: limit } }),
    })
  return new AtollError('bad_answer', `${message} (${code}, which this version does not know)`, {
    status,
    problems,
    requestId,
  })
}

/** A newer plane has other codes. */
const anyProblemDetails = problemDetails.extend({
  code: z.string(),
  problems: problemDetails.shape.problems.catch(undefined),
})

const isApiProblemCode = (code: string): code is ApiProblemCode => Object.hasOwn(problemTypes, code)

const badAnswer = (status: number, reason: string): AtollError =>
  new AtollError('bad_answer', `The answer (HTTP ${status}) can't be understood: ${reason}`, { status })

const retryAfterMs = (answer: HttpAnswer): number | undefined => {
  const seconds = Number(answer.headers.get('retry-after') ?? Number.NaN)
  return seconds >= 0 ? Math.min(seconds * 1000, MAX_DELAY_MS) : undefined
}

/** `fetch` hides what went wrong in the cause. */
const toReason = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error && cause.cause.message !== '' ? cause.cause.message : cause.message
}
