import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import type { AccessLogPage } from '#api/schemas/telemetry.ts'
import { Sessions } from '#worker/mesh/uplink/sessions.ts'
import { tellTelemetryTokens } from '#worker/mesh/uplink/telemetry-tokens.ts'
import { mintIngestToken } from '#worker/telemetry/ingest-token.ts'
import { gzip } from './support/gzip.ts'
import { encodeLogs, encodeSpans, joinTelemetryCluster, sendExport, sendLogs } from './support/test-telemetry.ts'
import { createTestMesh, makeToken, send } from './support/test-plane.ts'

const nowUs = () => Date.now() * 1000
const MiB = 1024 * 1024

describe('a batch of an agent', () => {
  test('is stored once, however often it is sent, and is of the agent’s cluster whatever it says', async () => {
    const mesh = await createTestMesh()
    const east = await joinTelemetryCluster(mesh, 'east')
    expect(Date.parse(east.expiresAt)).toBeGreaterThan(Date.now() + 59 * 60 * 1000)
    const timeUs = nowUs()
    const hostile = '=HYPERLINK("x")\u001b[31m\n\u0000🙂'
    const body = encodeLogs(
      [
        {
          timeUs,
          traceId: '0af7651916cd43dd8448eb211c80319c',
          spanId: 'b7ad6b7169203331',
          attributes: {
            cluster: 'west',
            path: hostile,
            duration_us: 1234,
            response_code: '503',
            request_bytes: 'many',
            response_flags: '',
            'my.tag': 'x',
            method: 'G'.repeat(10_000),
          },
        },
      ],
      { 'atoll.mesh': 'another', 'k8s.cluster.name': 'west' },
    )
    expect(await sendExport('logs', east.token, body)).toMatchObject({ status: 200, text: '' })
    const packed = { 'Content-Encoding': 'gzip' }
    expect(await sendExport('logs', east.token, await gzip(body), packed)).toMatchObject({ status: 200 })

    const { body: page } = await mesh.send<AccessLogPage>('GET', '/logs')
    expect(page).toEqual({
      items: [
        {
          time: new Date(timeUs / 1000).toISOString().replace('Z', '000Z'),
          cluster: 'east',
          trace_id: '0af7651916cd43dd8448eb211c80319c',
          span_id: 'b7ad6b7169203331',
          path: hostile,
          duration_us: 1234,
          response_code: 503,
          response_flags: '',
          method: `${'G'.repeat(8191)}…`,
          attributes: {
            'atoll.mesh': 'another',
            'k8s.cluster.name': 'west',
            cluster: 'west',
            request_bytes: 'many',
            'my.tag': 'x',
          },
        },
      ],
      nextCursor: null,
      unavailable: [],
    })
  })

  test.each([
    ['of a clock that is ahead', (now: number) => now + 10 * 60 * 1_000_000],
    ['of a clock at 1970', () => 0],
    ['of what is not kept for so long', (now: number) => now - 8 * 24 * 60 * 60 * 1_000_000],
  ])('keeps records %s under the time of its arrival, and says what they told', async (_, toTime) => {
    const mesh = await createTestMesh()
    const east = await joinTelemetryCluster(mesh, 'east')
    const told = toTime(nowUs())
    await sendLogs(east.token, [{ timeUs: told }, { timeUs: nowUs() - 60_000_000 }])
    const { body } = await mesh.send<AccessLogPage>('GET', '/logs')
    expect(body.items.map(({ attributes }) => attributes)).toEqual([
      { 'atoll.told_time': new Date(told / 1000).toISOString() },
      undefined,
    ])
    expect(Date.now() - Date.parse(body.items[0]?.time ?? '')).toBeLessThan(30_000)
  })

  test('that is no OTLP, or too large, is refused with the reason before it costs anything', async () => {
    const mesh = await createTestMesh()
    const { token, count } = await joinTelemetryCluster(mesh, 'east')
    const good = encodeLogs([{ timeUs: nowUs(), attributes: { path: '/a' } }])
    const json = { 'Content-Type': 'application/json' }
    const packed = { 'Content-Encoding': 'gzip' }
    const nested = Uint8Array.from({ length: 600 }, (_, index) => (index % 2 === 0 ? 0x0a : 0x7f))
    const status = (bytes: Uint8Array) => new TextDecoder().decode(bytes.subarray(4))
    for (const [body, headers, code, reason] of [
      [good.slice(0, -3), {}, 400, /at byte/],
      [Uint8Array.from([0xff, 0xff, 0xff]), {}, 400, /not OTLP/],
      [nested, {}, 400, /not OTLP/],
      [good, packed, 400, /not gzip/],
      [(await gzip(good)).slice(0, 40), packed, 400, /not gzip/],
      [good, { 'Content-Encoding': 'br' }, 415, /gzip/],
      [good, { 'Content-Type': 'text/plain' }, 415, /protobuf/],
      ['{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"soon"}]}]}]}', json, 400, /timeUnixNano/],
      ['{', json, 400, /not OTLP/],
      [new Uint8Array(50 * MiB), {}, 413, /unpacked/],
      [await gzip(new Uint8Array(50 * MiB)), packed, 413, /unpacked/],
      [crypto.getRandomValues(new Uint8Array(65_536)), packed, 400, /not gzip/],
    ] as const) {
      const answer = await sendExport('logs', token, body, headers)
      const isProtobuf = answer.headers.get('Content-Type') === 'application/x-protobuf'
      const message = isProtobuf ? status(answer.bytes) : (JSON.parse(answer.text) as { message: string }).message
      expect.soft([answer.status, message]).toEqual([code, expect.stringMatching(reason)])
    }
    expect(await count('chunks')).toBe(0)
    expect(await count('batches')).toBe(0)
  })

  test('is read from JSON as from protobuf; what can’t be a span is counted', async () => {
    const mesh = await createTestMesh()
    const east = await joinTelemetryCluster(mesh, 'east')
    const json = { 'Content-Type': 'application/json; charset=utf-8' }
    const nanoseconds = `${nowUs()}789`
    const kvlist = { kvlistValue: { values: [{ key: 'a', value: { boolValue: true } }] } }
    const logs = {
      resourceLogs: [
        {
          scopeLogs: [
            {
              logRecords: [
                {
                  observedTimeUnixNano: nanoseconds,
                  severityText: 'INFO',
                  body: { stringValue: 'hello' },
                  attributes: [
                    { key: 'response_code', value: { intValue: '200' } },
                    { key: 'large', value: { intValue: '9007199254740993' } },
                    { key: 'map', value: kvlist },
                  ],
                },
              ],
            },
          ],
        },
      ],
    }
    expect(await sendExport('logs', east.token, JSON.stringify(logs), json)).toMatchObject({ status: 200, text: '{}' })
    const { body } = await mesh.send<AccessLogPage>('GET', '/logs')
    expect(body.items).toMatchObject([
      {
        severity: 'INFO',
        body: 'hello',
        response_code: 200,
        attributes: { large: '9007199254740993', map: JSON.stringify(kvlist) },
      },
    ])

    const spans = { resourceSpans: [{ scopeSpans: [{ spans: [{ traceId: 'x', spanId: '', name: 'a' }] }] }] }
    const refused = await sendExport('traces', east.token, JSON.stringify(spans), json)
    expect(JSON.parse(refused.text)).toMatchObject({ partialSuccess: { rejectedSpans: '1' } })
    const nameless = encodeSpans([{ timeUs: 1, endUs: 1, name: 'a' }])
    expect((await sendExport('traces', east.token, nameless)).text).toContain('spans had no ID')
  })

  test('that would become more than a Worker has memory for is refused while it is read', async () => {
    const mesh = await createTestMesh()
    const { token, count } = await joinTelemetryCluster(mesh, 'east')
    /** Fields of protobuf: each has a length that takes as many bytes as it has to. */
    const toField = (field: number, value: Uint8Array) => {
      const length: number[] = []
      for (let rest = value.length; length.length === 0 || rest > 0; rest = Math.floor(rest / 128))
        length.push((rest % 128) | (rest >= 128 ? 128 : 0))
      return Uint8Array.from([(field << 3) | 2, ...length, ...value])
    }
    /** Each of them empty. */
    const toMany = (field: number, times: number) =>
      Uint8Array.from({ length: times * 2 }, (_, index) => (index % 2 === 0 ? (field << 3) | 2 : 0))
    const inScope = (items: Uint8Array) => toField(1, toField(2, items))
    const inJson = (times: number, each: string) =>
      `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${Array.from({ length: times }, () => each).join()}]}]}]}`
    const deep = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"events":${'['.repeat(5_000)}${']'.repeat(5_000)}}]}]}]}`
    const json = { 'Content-Type': 'application/json' }
    const array = toField(5, toField(5, toMany(1, 400_001)))
    const points = toField(2, toField(7, toMany(1, 100_001)))
    for (const [what, signal, body, headers, code] of [
      ['records', 'logs', inScope(toMany(2, 200_001)), {}, 413],
      ['attributes', 'logs', inScope(toField(2, toMany(6, 400_001))), {}, 413],
      ['values within a value', 'logs', inScope(toField(2, array)), {}, 413],
      ['resources', 'logs', toMany(1, 400_001), {}, 413],
      ['spans', 'traces', inScope(toMany(2, 400_001)), {}, 413],
      ['events', 'traces', inScope(toField(2, toMany(11, 400_001))), {}, 413],
      ['points', 'metrics', inScope(points), {}, 413],
      ['records in JSON', 'logs', inJson(150_001, '{}'), json, 413],
      ['values in JSON', 'metrics', inJson(300_001, '0'), json, 413],
      ['depth of JSON', 'traces', deep, json, 400],
      [
        'as much as there may be, of texts',
        'logs',
        inJson(1, `{"body":{"stringValue":"\\"${'[{,'.repeat(200_000)}"}}`),
        json,
        200,
      ],
    ] as const)
      expect.soft((await sendExport(signal, token, body, headers)).status, what).toBe(code)
    expect(await count('chunks')).toBe(1)
  })

  test('of which what its resource says would be a hundred times as large is cut, and the rest counted', async () => {
    const mesh = await createTestMesh()
    const { token, count } = await joinTelemetryCluster(mesh, 'east')
    const resource = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`key-${index}`, 'x'.repeat(4_000)]))
    const records = Array.from({ length: 1_000 }, () => ({ timeUs: nowUs() }))
    const { status, text } = await sendExport('logs', token, encodeLogs(records, resource))
    expect([status, text]).toEqual([200, expect.stringContaining('more records than a batch may hold')])
    expect(await count('batches')).toBe(1)
    // However little it is packed: chunks are unpacked one at a time.
    expect(await count('chunks')).toBeGreaterThan(4)
    expect(await count(`chunks WHERE unpacked > ${4 * MiB}`)).toBe(0)
  })
})

describe('who may send', () => {
  test('is told by the token: of an agent, for its cluster alone, until it expires or the cluster is evicted', async () => {
    const mesh = await createTestMesh()
    const east = await joinTelemetryCluster(mesh, 'east')
    const body = encodeLogs([{ timeUs: nowUs() }])
    const [head = '', signature = ''] = east.token.split('.')
    const place = { orgId: 'o', meshId: mesh.id, cluster: 'east' }
    const claims = { place, retention: { logDays: 7, traceDays: 7 }, issuedAtMs: 0, expiresAtMs: Date.now() - 1 }
    const expired = await mintIngestToken(env.ATOLL_KEK, claims)
    const ofAnother = await mintIngestToken(btoa('x'.repeat(32)), { ...claims, expiresAtMs: Date.now() + 60_000 })
    const forged = `${head.slice(0, -2)}AA.${signature}`
    for (const token of [expired, ofAnother, forged, `${head}.`, 'atoll_ingest_.', '', mesh.token.slice(0, -1)])
      expect.soft((await sendExport('logs', token, body)).status, token).toBe(401)
    expect((await sendExport('logs', east.token, body)).status).toBe(200)

    await mesh.send('DELETE', '/clusters/east')
    expect(await sendExport('logs', east.token, encodeLogs([{ timeUs: nowUs() }]))).toMatchObject({
      status: 403,
      text: expect.stringContaining('evicted') as string,
    })
  })

  test('with a token of the API is told by its scopes and the resources; what is another’s is not there', async () => {
    const mesh = await createTestMesh()
    const other = await createTestMesh()
    await joinTelemetryCluster(mesh, 'east')
    await joinTelemetryCluster(other, 'west')
    const ofMesh = (await makeToken({ role: 'telemetry', scopes: { mesh: mesh.name } })).secret
    const ofOrg = (await makeToken({ role: 'telemetry' })).secret
    const viewer = (await makeToken({ role: 'viewer' })).secret
    const at = (resource: Record<string, string>) => encodeLogs([{ timeUs: nowUs() }], resource)
    for (const [token, resource, status] of [
      [ofMesh, { 'k8s.cluster.name': 'east' }, 200],
      [ofMesh, { 'k8s.cluster.name': 'east', 'atoll.mesh': other.name }, 200],
      [ofMesh, { 'k8s.cluster.name': 'west' }, 404],
      [ofMesh, {}, 404],
      [ofOrg, { 'k8s.cluster.name': 'west', 'atoll.mesh': other.name }, 200],
      [ofOrg, { 'k8s.cluster.name': 'west' }, 404],
      [ofOrg, { 'k8s.cluster.name': 'west', 'atoll.mesh': 'not-there' }, 404],
      [viewer, { 'k8s.cluster.name': 'east', 'atoll.mesh': mesh.name }, 403],
    ] as const)
      expect.soft((await sendExport('logs', token, at(resource))).status, JSON.stringify(resource)).toBe(status)
    const { body } = await other.send<AccessLogPage>('GET', '/logs')
    expect(body.items).toHaveLength(1)

    for (const path of ['/v1/meshes', `/v1/meshes/${mesh.name}/logs`, '/v1/tokens', '/v1/audit'])
      expect.soft((await send('GET', path, { token: ofOrg })).status, path).toBe(403)
    expect((await send('GET', '/v1/whoami', { token: ofOrg })).status).toBe(200)
    const scoped = (await makeToken({ role: 'viewer', scopes: { mesh: mesh.name } })).secret
    expect((await send('GET', `/v1/meshes/${other.name}/logs`, { token: scoped })).status).toBe(404)
  })

  test('is of no more clusters than a request may ask about', async () => {
    const mesh = await createTestMesh()
    const east = await joinTelemetryCluster(mesh, 'east')
    const { secret } = await makeToken({ role: 'telemetry', scopes: { mesh: mesh.name } })
    const resourceLogs = [...Array.from({ length: 300 }, (_, index) => `no-${index}`), 'east'].map((name) => ({
      resource: { attributes: [{ key: 'k8s.cluster.name', value: { stringValue: name } }] },
      scopeLogs: [{ logRecords: [{ body: { stringValue: 'x' } }] }],
    }))
    const sendJson = (logs: readonly unknown[]) =>
      sendExport('logs', secret, JSON.stringify({ resourceLogs: logs }), { 'Content-Type': 'application/json' })
    const { status, text } = await sendJson(resourceLogs)
    expect([status, text]).toEqual([404, expect.stringContaining('of 300 clusters at most')])
    expect(await east.count('chunks')).toBe(0)
    expect(await sendJson(resourceLogs.slice(1))).toMatchObject({ status: 200 })
    expect(await east.count('chunks')).toBe(1)
  })

  test('gets the next token before the one that it has expires', async () => {
    const mesh = await createTestMesh()
    const { agent, token } = await joinTelemetryCluster(mesh, 'east')
    const tellIn = (minutes: number) =>
      runInDurableObject(mesh.stub, (_, state) =>
        tellTelemetryTokens({
          context: {
            sql: state.storage.sql,
            transaction: (body) => body(),
            now: () => Date.now() + minutes * 60_000,
            random: (bytes) => new Uint8Array(bytes),
          },
          sessions: new Sessions(state.getWebSockets()),
          mint: (claims) => mintIngestToken(env.ATOLL_KEK, claims),
        }),
      )
    await tellIn(39)
    await tellIn(41)
    const next = await agent.next('telemetry-token', (message) => message.token !== token)
    expect(Date.parse(next.expiresAt)).toBeGreaterThan(Date.now() + 100 * 60_000)
    expect(agent.messages.filter(({ type }) => type === 'telemetry-token')).toHaveLength(2)
  })
})
