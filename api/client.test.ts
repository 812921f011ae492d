import { describe, expect, expectTypeOf, it } from 'vitest'
import { AtollError } from './atoll-error.ts'
import { ApiClient } from './client.ts'
import type { HttpFetch, RequestOf } from './client.ts'
import type { UnknownWord } from './open-enum.ts'
import { toProblemDetails } from './problem-details.ts'
import type { ApiProblemCode } from './problem-details.ts'
import { evictCluster } from './routes/clusters.ts'
import { applyConfiguration } from './routes/configuration.ts'
import { getProxyConfig } from './routes/proxies.ts'
import { listRevisions } from './routes/revisions.ts'
import type { getRevisionDelivery } from './routes/revisions.ts'
import { createToken } from './routes/tokens.ts'
import { listCertificates } from './routes/trust.ts'

type Call = { url: string } & Parameters<HttpFetch>[1]
type Step = { status: number; body?: unknown; retryAfter?: string } | Error

/** A plane that answers with the steps in turn. */
const script = (...steps: Step[]) => scriptAs({ token: 'atoll_token_a_b' }, ...steps)
const scriptAs = (credential: { token: string } | { usesSession: true }, ...steps: Step[]) => {
  const calls: Call[] = []
  const delays: number[] = []
  const client = new ApiClient({
    baseUrl: 'https://plane.test/base/',
    version: '2.0.0',
    ...credential,
    fetch: (url, init) => {
      calls.push({ url, ...init })
      const step = steps[calls.length - 1]
      if (step === undefined) throw new Error('one call too many')
      if (step instanceof Error) return Promise.reject(step)
      return Promise.resolve({
        status: step.status,
        headers: { get: (name: string) => (name === 'retry-after' ? (step.retryAfter ?? null) : null) },
        text: () => Promise.resolve(step.body === undefined ? '' : JSON.stringify(step.body)),
      })
    },
    sleep: (milliseconds) => {
      delays.push(milliseconds)
      return Promise.resolve()
    },
    random: () => 0.5,
    newIdempotencyKey: () => `key-${calls.length}`,
  })
  return { client, calls, delays }
}

const refusal = (code: ApiProblemCode, detail?: string): Step => {
  const body = toProblemDetails(code, { requestId: 'r1', ...(detail === undefined ? {} : { detail }) })
  return { status: body.status, body }
}

const applied = { revision: 7, changes: [], problems: [] }
const apply = { params: { mesh: 'shop' }, yaml: 'kind: Service' }

const caught = async (promise: Promise<unknown>): Promise<AtollError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(AtollError)
  return error as AtollError
}

describe('ApiClient.call', () => {
  it('says at each write of a page that it means to use its session, and sends no token', async () => {
    const { client, calls } = scriptAs({ usesSession: true }, { status: 200, body: applied }, { status: 204 })
    await client.call(applyConfiguration, apply)
    await client.call(evictCluster, { params: { mesh: 'shop', cluster: 'east' } })
    expect(calls.map(({ headers }) => [headers['x-atoll-csrf'], headers['authorization']])).toEqual([
      ['1', undefined],
      ['1', undefined],
    ])
  })

  it('puts parameters, query, revision and body where the route wants them', async () => {
    const { client, calls } = script({ status: 200, body: applied })
    const result = await client.call(applyConfiguration, { ...apply, query: { dryRun: 'true' }, ifMatch: 6 })
    expect(result).toEqual(applied)
    expectTypeOf(result.revision).toEqualTypeOf<number>()
    expect(calls).toEqual([
      {
        url: 'https://plane.test/base/v1/meshes/shop/configuration?dryRun=true',
        method: 'POST',
        headers: {
          accept: 'application/json, application/problem+json',
          authorization: 'Bearer atoll_token_a_b',
          'content-type': 'application/yaml',
          'idempotency-key': 'key-0',
          'if-match': '"6"',
        },
        body: 'kind: Service',
      },
    ])
  })

  it('encodes what is in the path', async () => {
    const { client, calls } = script({
      status: 200,
      body: { name: 'sidecar/a/b', cluster: 'east', revision: 1, resources: [] },
    })
    await client.call(getProxyConfig, { params: { mesh: 'shop', cluster: 'east', name: 'sidecar/a/b' } })
    expect(calls[0]?.url).toBe('https://plane.test/base/v1/meshes/shop/proxies/east/sidecar%2Fa%2Fb/config')
    expect(calls[0]?.headers).not.toHaveProperty('idempotency-key')
  })

  it('answers undefined for 204', async () => {
    const { client } = script({ status: 204 })
    expect(await client.call(evictCluster, { params: { mesh: 'shop', cluster: 'east' } })).toBeUndefined()
  })

  it('throws problem details as they are', async () => {
    const { client, calls } = script(refusal('invalid_configuration', 'two mistakes'))
    const error = await caught(client.call(applyConfiguration, apply))
    expect(error).toMatchObject({
      code: 'invalid_configuration',
      status: 422,
      message: 'two mistakes',
      requestId: 'r1',
      problems: [],
    })
    expect(calls).toHaveLength(1)
  })

  it('falls back to the title of the code', async () => {
    const { client } = script(refusal('forbidden'))
    expect((await caught(client.call(applyConfiguration, apply))).message).toBe('The token may not do this')
  })

  it.each([
    ['no JSON', { status: 500 }],
    ['JSON of something else', { status: 404, body: { error: 'nginx' } }],
    ['a success that is not in the contract', { status: 200, body: { revision: 'seven' } }],
    ['a status that is not in the contract', { status: 299, body: applied }],
  ])('calls %s a bad answer', async (_, step) => {
    const { client } = script(step)
    expect(await caught(client.call(applyConfiguration, apply))).toMatchObject({
      code: 'bad_answer',
      status: step.status,
    })
  })

  const unknownRoute = refusal('not_found', 'there is no such route')
  it.each([
    ['a route', unknownRoute],
    ['a field', refusal('invalid_request', 'the request is not what the contract says')],
    ['an answer', { status: 200, body: { revision: 'seven' } }],
  ])('names both versions where a plane of another one does not know %s', async (_, step) => {
    const { client, calls } = script(step, { status: 200, body: { status: 'ok', version: '1.0.0', setUp: true } })
    const error = await caught(client.call(applyConfiguration, apply))
    expect(error.message).toMatch(/ \(the plane is of version 1\.0\.0, this is 2\.0\.0\)$/)
    expect(calls[1]).toMatchObject({ url: 'https://plane.test/base/healthz', headers: {} })
  })

  it.each([
    ['the plane has the same one', { status: 200, body: { status: 'ok', version: '2.0.0', setUp: true } }],
    ['the plane does not say', new Error('reset')],
  ])('says nothing of versions when %s', async (_, step) => {
    const { client } = script(unknownRoute, step)
    expect((await caught(client.call(applyConfiguration, apply))).message).toBe('there is no such route')
  })

  it("shows a newer plane's refusal by its words", async () => {
    const body = {
      ...toProblemDetails('conflict', { detail: 'the moon is full', requestId: 'r1' }),
      code: 'full_moon',
      problems: [{ code: 'lunar', severity: 'error', path: '', message: 'wait' }],
    }
    const { client } = script({ status: 409, body })
    const error = await caught(client.call(applyConfiguration, apply))
    expect(error).toMatchObject({ code: 'bad_answer', status: 409, requestId: 'r1' })
    expect(error.message).toContain('the moon is full (full_moon')
  })

  it('repeats what failed on the way, with one key and growing delays', async () => {
    const { client, calls, delays } = script(new Error('reset'), { status: 502 }, refusal('unavailable'), {
      status: 200,
      body: applied,
    })
    expect(await client.call(applyConfiguration, apply)).toEqual(applied)
    expect(new Set(calls.map((call) => call.headers['idempotency-key']))).toEqual(new Set(['key-0']))
    expect(delays).toEqual([200, 400, 800])
  })

  it('waits as long as the plane says, but not for ever', async () => {
    const { client, delays } = script(
      { ...(refusal('rate_limited') as object), status: 429, retryAfter: '3' },
      { ...(refusal('rate_limited') as object), status: 429, retryAfter: '86400' },
      { status: 200, body: applied },
    )
    await client.call(applyConfiguration, apply)
    expect(delays).toEqual([3000, 20_000])
  })

  it('gives up after four attempts and says why', async () => {
    const reset = new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED 127.0.0.1:1') })
    const { client, calls } = script(reset, reset, reset, reset)
    expect(await caught(client.call(applyConfiguration, apply))).toMatchObject({
      code: 'unreachable',
      message: 'No answer from https://plane.test/base: connect ECONNREFUSED 127.0.0.1:1',
    })
    expect(calls).toHaveLength(4)
  })

  it('does not repeat for an agent that is away', async () => {
    const { client, calls } = script(refusal('agent_unavailable'))
    await caught(client.call(getProxyConfig, { params: { mesh: 'shop', cluster: 'east', name: 'a' } }))
    expect(calls).toHaveLength(1)
  })

  it('takes a conflict of its own repeated key for work in progress', async () => {
    const once = script(refusal('idempotency_conflict'))
    await caught(once.client.call(applyConfiguration, apply))
    expect(once.calls).toHaveLength(1)

    const repeated = script(new Error('reset'), refusal('idempotency_conflict'), { status: 200, body: applied })
    expect(await repeated.client.call(applyConfiguration, apply)).toEqual(applied)
  })

  it('types what a route takes', () => {
    expectTypeOf<RequestOf<typeof createToken>>().toHaveProperty('json')
    expectTypeOf<RequestOf<typeof createToken>>().not.toHaveProperty('ifMatch')
    expectTypeOf<RequestOf<typeof getRevisionDelivery>>().toHaveProperty('query')
    expectTypeOf<RequestOf<typeof getRevisionDelivery>>().not.toHaveProperty('json')
  })
})

describe('ApiClient.list', () => {
  it('follows the cursors to the end, past an empty page', async () => {
    const { client, calls } = script(
      { status: 200, body: { items: [], nextCursor: 'a b' } },
      { status: 200, body: { items: [], nextCursor: null } },
    )
    const items: unknown[] = []
    for await (const item of client.list(listRevisions, { params: { mesh: 'shop' }, query: { limit: 2 } }))
      items.push(item)
    expect(items).toEqual([])
    expect(calls.map((call) => call.url)).toEqual([
      'https://plane.test/base/v1/meshes/shop/revisions?limit=2',
      'https://plane.test/base/v1/meshes/shop/revisions?limit=2&cursor=a%20b',
    ])
  })

  it('asks for a page only when it is needed', async () => {
    const token = { kind: 'token', id: 't', name: 'me' }
    const item = {
      revision: 1,
      createdAt: '2026-01-01T00:00:00Z',
      actor: token,
      operation: 'apply',
      rollbackTo: null,
      created: 1,
      updated: 0,
      deleted: 0,
      retained: true,
    }
    const { client, calls } = script({ status: 200, body: { items: [item], nextCursor: 'next' } })
    for await (const revision of client.list(listRevisions, { params: { mesh: 'shop' } })) {
      expectTypeOf(revision.operation).toEqualTypeOf<'apply' | 'delete' | 'rollback' | 'publish' | UnknownWord>()
      break
    }
    expect(calls).toHaveLength(1)
  })

  it('reads words that a newer plane has, as they are', async () => {
    const certificate = {
      serial: '1f',
      kind: 'bridge',
      cluster: null,
      issuedAt: '2026-01-01T00:00:00Z',
      notBefore: '2026-01-01T00:00:00Z',
      notAfter: '2027-01-01T00:00:00Z',
      fingerprint: 'ab',
      state: 'suspended',
    }
    const { client } = script({ status: 200, body: { items: [certificate], nextCursor: null } })
    expect(await client.call(listCertificates, { params: { mesh: 'shop' } })).toEqual({
      items: [certificate],
      nextCursor: null,
    })
  })

  it('shows mistakes of a kind that only a newer plane knows', async () => {
    const problem = { code: 'unwise', severity: 'hint', path: 'spec', message: 'think again' }
    const body = { ...toProblemDetails('invalid_configuration', { requestId: 'r1' }), problems: [problem] }
    const { client } = script({ status: 422, body })
    expect(await caught(client.call(applyConfiguration, apply))).toMatchObject({ problems: [problem] })
  })

  it('does not send a word that the plane may not know', () => {
    expect(
      createToken.request.body.content['application/json'].schema.safeParse({ name: 'ci', role: 'auditor' }),
    ).toMatchObject({
      success: false,
    })
  })
})
