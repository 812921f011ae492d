import fc from 'fast-check'
import { exports } from 'cloudflare:workers'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { apiRoutes, buildOpenApiDocument } from '#api/openapi.ts'
import { problemTypes, toProblemDetails } from '#api/problem-details.ts'
import { arbitraryOf } from './support/arbitrary-of-schema.ts'
import type { JsonSchema } from './support/arbitrary-of-schema.ts'
import { readAnswer } from './support/route-requests.ts'
import type { RouteAnswer } from './support/route-requests.ts'
import { ORIGIN } from './support/test-plane.ts'
import { createVictim, makeRivalToken, SECRET, victimValues } from './support/two-tenants.ts'
import type { Victim } from './support/two-tenants.ts'

/**
 * For every operation of the OpenAPI document: requests that are right by their schemas, and hostile ones, about what is another tenant's and
 * about what is not there. None is answered with what is another's, or as if it were there, none makes the plane fail, and each refusal is a problem with a stable code.
 */
const REQUESTS = 12

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required?: boolean
  readonly schema: JsonSchema
}
interface Operation {
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> }
}

const document = buildOpenApiDocument('0')
const schemas = (document.components?.schemas ?? {}) as Readonly<Record<string, JsonSchema>>

const hostile = fc.oneof(
  fc.constantFrom(
    '',
    ' ',
    '0',
    '-1',
    '9'.repeat(400),
    'NaN',
    'null',
    '__proto__',
    'constructor',
    '../../tokens',
    '..%2f..%2ftokens',
    '%00',
    '%',
    "' OR 1=1 --",
    '*',
    '{}',
    '\u0000',
    '\ud800',
    '💥'.repeat(50),
    'x'.repeat(3000),
    'WyJ4Il0',
    'W10',
    '2026-99-99T99:99:99Z',
  ),
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
)

const hostileBody = fc.oneof(
  fc.json(),
  fc.constantFrom(
    '',
    '{',
    '[]',
    'null',
    '"x"',
    '{"__proto__":{"role":"owner"},"constructor":1}',
    '['.repeat(5000),
    `{"a":${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}}`,
    '{"name":1e999}',
    'a: &a [*a, *a]',
    'kind: !!js/function "x"',
    '\u0000',
    `"${'x'.repeat(200_000)}"`,
  ),
  fc.string({ unit: 'binary', maxLength: 200 }),
)

interface Sent {
  readonly path: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly type?: string
}

const toText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** As the schema has it, as something of the victim's is called, or as it should not be. */
const arbitraryParameter = ({ schema }: Parameter, own: string | undefined) =>
  fc.oneof(
    { weight: 4, arbitrary: arbitraryOf(schema, schemas).map(toText) },
    ...(own === undefined ? [] : [{ weight: 4, arbitrary: fc.constant(own) }]),
    { weight: 2, arbitrary: hostile },
  )

const arbitraryRequest = (route: (typeof apiRoutes)[number], victim: Victim): fc.Arbitrary<Sent> => {
  const paths = document.paths?.[route.path] as Readonly<Record<string, Operation>> | undefined
  const { parameters = [], requestBody } = paths?.[route.method] ?? {}
  const values = victimValues(victim, route.path)
  const of = (place: Parameter['in']) => {
    const own = parameters.filter((each) => each.in === place)
    const record = Object.fromEntries(own.map((each) => [each.name, arbitraryParameter(each, values[each.name])]))
    if (place === 'path') return fc.record(record)
    const requiredKeys = own.filter(({ required }) => required === true).map(({ name }) => name)
    // Of many optional ones, one is wrong nearly always: every other request has none, to get further.
    const fewest = Object.fromEntries(Object.entries(record).filter(([name]) => requiredKeys.includes(name)))
    return fc.oneof(fc.record(fewest), fc.record(record, { requiredKeys }))
  }
  const contents = Object.entries(requestBody?.content ?? {}).map(([type, { schema }]) =>
    fc.record({
      type: fc.oneof({ weight: 9, arbitrary: fc.constant(type) }, fc.constantFrom('text/plain', 'application/xml', '')),
      body: fc.oneof(
        { weight: 3, arbitrary: arbitraryOf(schema, schemas).map((value) => toBody(type, value)) },
        { weight: 1, arbitrary: hostileBody },
      ),
    }),
  )
  const [first, ...others] = contents
  const content = first ? fc.oneof(first, ...others) : fc.constant({})
  return fc
    .record({ path: of('path'), query: of('query'), headers: of('header'), content })
    .map(({ content: sent, ...rest }) => ({ ...rest, ...sent }))
}

const toBody = (type: string, value: unknown): string =>
  type === 'application/x-www-form-urlencoded' && typeof value === 'object' && value !== null
    ? new URLSearchParams(Object.entries(value).map(([name, each]) => [name, toText(each)])).toString()
    : toText(value)

/** What can't be in a header is not sent. */
const isHeaderText = (text: string): boolean => /^[\x20-\x7e]*$/.test(text)

/** Of well-formed text alone a URL can be made. */
const toUrlPart = (text: string): string => encodeURIComponent(text.toWellFormed())

let addresses = 0
const sendTo = async (
  route: (typeof apiRoutes)[number],
  { path, query, headers, body, type }: Sent,
  token: string | undefined,
): Promise<RouteAnswer> => {
  const search = Object.entries(query).map(([name, value]) => `${toUrlPart(name)}=${toUrlPart(value)}`)
  const url = `${ORIGIN}${route.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => toUrlPart(path[name] ?? ''))}`
  return readAnswer(
    await exports.default.fetch(
      new Request(search.length === 0 ? url : `${url}?${search.join('&')}`, {
        method: route.method.toUpperCase(),
        headers: {
          // So that the limit of an address is nobody's.
          'CF-Connecting-IP': `192.0.2.${(addresses += 1)}`,
          ...Object.fromEntries(Object.entries(headers).filter(([, value]) => isHeaderText(value))),
          ...(token !== undefined && { Authorization: `Bearer ${token}` }),
          ...(type !== undefined && { 'Content-Type': type }),
        },
        ...(body !== undefined && route.method !== 'get' && { body }),
      }),
    ),
  )
}

/** Refusals of queries and of OTLP are in the words of Prometheus and of OTLP. */
const hasOwnWords = (route: (typeof apiRoutes)[number], status: number): boolean =>
  route.operationId === 'exportTelemetry' || (route.path.includes('/prometheus/') && status === 422)

const judge = (route: (typeof apiRoutes)[number], { status, type, text }: RouteAnswer): void => {
  expect(text).not.toContain(SECRET)
  if (status < 400 || hasOwnWords(route, status)) {
    expect(status).not.toBe(500)
    return
  }
  expect(type).toBe('application/problem+json')
  const problem = JSON.parse(text) as ReturnType<typeof toProblemDetails>
  expect(Object.keys(problemTypes)).toContain(problem.code)
  expect(problem.code).not.toBe('internal')
  expect(problem).toMatchObject(toProblemDetails(problem.code, { requestId: problem.requestId }))
  expect(status).toBe(problem.status)
}

/** Whether a request says by its path that it is about the victim's mesh, or about something of the victim's. */
const namesVictim = ({ path }: Sent): boolean =>
  path['mesh'] === victim.names.mesh || Object.values<string | undefined>(victim.ids).includes(path['id'])

/** Refused by the contract, by the role, or as what is not there. A key may have been used for something else. */
const isAsIfNowhere = (route: (typeof apiRoutes)[number], { status, text }: RouteAnswer): boolean =>
  [400, 403, 404, 413, 415].includes(status) || hasOwnWords(route, status) || text.includes('"idempotency_conflict"')

/** What a request without a token may be answered with. OTLP looks at the path before the token. */
const statusesOfNobody = ({ security, operationId }: (typeof apiRoutes)[number], status: number): readonly number[] =>
  security === undefined ? [status] : [401, 404, ...(operationId === 'exportTelemetry' ? [400] : [])]

let victim: Victim
let tokens: readonly string[]

beforeAll(async () => {
  victim = await createVictim()
  tokens = await Promise.all(
    ['owner', 'owner', 'owner', 'viewer', 'editor', 'admin'].map((role) => makeRivalToken(role)),
  )
})

describe(`${REQUESTS} requests of another tenant, and as many of nobody, to each of ${apiRoutes.length} operations`, () => {
  test.each(apiRoutes.map((route) => [`${route.method.toUpperCase()} ${route.path}`, route] as const))(
    '%s',
    async (_name, route) => {
      const log = vi.spyOn(console, 'error').mockImplementation(() => {})
      await fc.assert(
        fc.asyncProperty(arbitraryRequest(route, victim), fc.nat(tokens.length - 1), async (request, index) => {
          const answer = await sendTo(route, request, tokens[index])
          judge(route, answer)
          expect([answer, !namesVictim(request) || isAsIfNowhere(route, answer)]).toEqual([answer, true])
          const { status, text, type } = await sendTo(route, request, undefined)
          judge(route, { status, text, type })
          expect(statusesOfNobody(route, status)).toContain(status)
        }),
        { numRuns: REQUESTS },
      )
      expect(log.mock.calls).toEqual([])
      log.mockRestore()
    },
  )
})
