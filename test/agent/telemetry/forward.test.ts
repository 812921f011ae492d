import { createServer, type IncomingHttpHeaders } from 'node:http'
import { statfsSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { fromBinary } from '@bufbuild/protobuf'
import { expect, onTestFinished, test } from 'vitest'
import { createAgentMetrics } from '#agent/http/agent-metrics.ts'
import { createLog } from '#agent/log.ts'
import { loadSealingKey } from '#agent/store/sealing-key.ts'
import { toForwardTarget } from '#agent/telemetry/forward/forward-target.ts'
import { windowMs } from '#agent/telemetry/metrics/cluster-meter.ts'
import { Telemetry } from '#agent/telemetry/telemetry.ts'
import { ExportTraceServiceRequestSchema } from '#envoy/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts'
import { Span_SpanKind, Status_StatusCode } from '#envoy/opentelemetry/proto/trace/v1/trace_pb.ts'
import { meshSettings } from '#mesh/settings.ts'
import { clusterName } from '#mesh/names.ts'
import { temporaryDirectory } from '#test/agent/temporary-directory.ts'
import { VirtualClock } from '#test/agent/virtual-clock.ts'
import { eventually } from '#test/harness/child.ts'
import { FakeEdge, readRecords } from './fake-edge.ts'
import { toMessage, toText, type Values } from './proxy-records.ts'
import { readBatch, requests, toPush } from './pushes.ts'

/** A backend that speaks OTLP/HTTP. */
class FakeBackend {
  status = 200
  readonly taken: { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: Buffer }[] = []
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { url: path = '', headers } = request
      if (this.status === 200) this.taken.push({ path, headers, body: Buffer.concat(chunks) })
      response.writeHead(this.status).end()
    })
  })

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      this.#server.closeAllConnections()
      this.#server.close()
    })
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/otlp`
  }

  of(signal: string): Buffer[] {
    return this.taken.filter(({ path }) => path === `/otlp/v1/${signal}`).map(({ body }) => body)
  }
}

const until = (what: string, condition: () => boolean): Promise<unknown> => eventually(what, condition, 5000, 5)

const proxy = { role: 'sidecar', namespace: 'shop', serviceAccount: 'front', workload: 'front-1' } as const
const settings = meshSettings.parse({ meshId: 'm', meshName: 'shop', trustDomain: 'shop.example' })
const grant = { proxy, credential: 'c' }

const trace = (digit: number) => String(digit).repeat(32)
const traced = (digit: number, flags: '00' | '01', values: Values): string =>
  toText({
    flags: '-',
    code: '200',
    method: 'GET',
    authority: 'reviews',
    durationUs: '1000',
    traceId: trace(digit),
    traceSent: `00-${trace(digit)}-${'a'.repeat(15)}${digit}-${flags}`,
    traceReceived: `00-${trace(digit)}-${'b'.repeat(16)}-${flags}`,
    ...values,
  })

test('a backend has what the plane has, and spans of what failed, was slow or sampled; one that is dead holds nobody up, and has it all later', async () => {
  const clock = new VirtualClock()
  const directory = temporaryDirectory()
  const edge = new FakeEdge()
  const [all, dead] = [new FakeBackend(), new FakeBackend()]
  const [plane, allUrl, deadUrl] = [await edge.listen(), await all.listen(), await dead.listen()]
  onTestFinished(() => edge.close())
  const headersFile = join(directory, 'headers')
  writeFileSync(headersFile, 'sesame, open\n')
  const telemetry = new Telemetry({
    data: { path: directory, key: loadSealingKey(join(directory, 'key'), true) },
    reportStoreProblem: (problem) => {
      throw new Error(problem)
    },
    spoolBytes: 2 ** 50,
    connection: { url: plane },
    isAlone: true,
    forwards: [
      toForwardTarget(
        { endpoint: allUrl, signals: ['logs', 'metrics', 'traces'], slowMilliseconds: 2000, headersFile },
        {},
      ),
      toForwardTarget({ endpoint: deadUrl, signals: ['logs'], slowMilliseconds: 1000 }, {}),
    ],
    view: { localCluster: clusterName.parse('east'), settings: () => settings, workload: () => undefined },
    revisionOf: () => 1,
    clock,
    random: () => 0,
    log: createLog('silent'),
  })
  const { bavail, bsize } = statfsSync(directory)
  const limits = [telemetry.status(), ...telemetry.forwards().map(({ status }) => status)]
  const limitBytes = limits.reduce((sum, { spoolLimitBytes }) => sum + spoolLimitBytes, 0)
  // Others write to the disk as well meanwhile.
  expect(limitBytes / (bavail * bsize)).toBeCloseTo(0.5, 1)
  telemetry.start()
  telemetry.outbox.setToken('t')
  const toAll = () => telemetry.forwards()[0]?.status
  const toDead = () => telemetry.forwards()[1]?.status

  // A line of the headers' file that is none is not told.
  dead.status = 503
  const tell = (texts: readonly string[]) => telemetry.methods[0]?.receive(grant, toMessage(texts))
  tell([traced(9, '00', { path: '/first' })])
  clock.advance(1000)
  await until('it waits for both', () => toAll()?.spooled.logs === 1 && toDead()?.spooled.logs === 1)
  expect(toAll()?.lastFailure).toBe(`line 1 of ${headersFile} is no header`)
  writeFileSync(headersFile, '# of the vendor\nX-Key: sesame\n')
  clock.advance(2000)
  await until('the first has it', () => all.of('logs').length === 1)
  expect(all.taken[0]?.headers).toMatchObject({ 'x-key': 'sesame', 'content-encoding': 'gzip' })
  expect(all.taken[0]?.headers.authorization).toBeUndefined()

  tell([
    traced(1, '00', { path: '/fine', durationUs: '1999999' }),
    traced(2, '00', { path: '/failed', code: '503', flags: 'UF', details: 'no_route' }),
    traced(3, '00', { path: '/slow', durationUs: '2000000' }),
    traced(4, '01', { path: '/sampled', reporter: 'destination' }),
    toText({ protocol: 'tcp', flags: 'UF' }),
  ])
  telemetry.methods[1]?.receive(grant, toPush({ startedAtMs: clock.now(), atMs: clock.now() }, requests(2)))
  clock.advance(windowMs)
  await until('the plane and the first have it', () => edge.records.length >= 6 && all.taken.length >= 5)
  await until('the other one waits', () => toDead()?.spooled.logs === 6)
  expect(
    all
      .of('logs')
      .flatMap((body) => readRecords(gunzipSync(body)))
      .map(({ path }) => path),
  ).toEqual(expect.arrayContaining(['/first', '/fine', '/failed', '/slow', '/sampled', undefined]))
  expect(all.of('metrics').flatMap(readBatch)).toEqual(['istio_requests_total 200 2'])

  const [spans] = all.of('traces').map((body) => fromBinary(ExportTraceServiceRequestSchema, gunzipSync(body)))
  const [resource] = spans?.resourceSpans ?? []
  const told = resource?.scopeSpans[0]?.spans ?? []
  const paths = told.map(({ attributes }) => attributes.find(({ key }) => key === 'url.path')?.value?.value.value)
  expect(paths).toEqual(['/failed', '/slow', '/sampled'])
  expect(
    Object.fromEntries((resource?.resource?.attributes ?? []).map(({ key, value }) => [key, value?.value.value])),
  ).toMatchObject({
    'service.name': 'front-1',
    'k8s.cluster.name': 'east',
    'k8s.namespace.name': 'shop',
  })
  const [failed, slow, sampled] = told
  expect(
    [failed?.traceId, failed?.spanId, failed?.parentSpanId].map((id) => Buffer.from(id ?? []).toString('hex')),
  ).toEqual([trace(2), `${'a'.repeat(15)}2`, 'b'.repeat(16)])
  expect(failed?.status).toMatchObject({ code: Status_StatusCode.ERROR, message: 'no_route' })
  expect(Number((slow?.endTimeUnixNano ?? 0n) - (slow?.startTimeUnixNano ?? 0n))).toBe(2_000_000_000)
  expect([slow?.kind, sampled?.kind]).toEqual([Span_SpanKind.CLIENT, Span_SpanKind.SERVER])

  dead.status = 200
  clock.advance(60_000)
  await until('it has all', () => toDead()?.counts.logs.sent === 6 && toDead()?.spooled.logs === 0)
  expect(dead.taken.every(({ path }) => path === '/otlp/v1/logs')).toBe(true)
  const metrics = createAgentMetrics(() => ({
    compiledRevision: 0,
    proxies: 0,
    registrySynced: true,
    problems: 0,
    storeFailures: 0,
    now: clock.now(),
    forwards: telemetry.forwards(),
  }))
  const lines = await metrics.metrics()
  expect(lines).toContain(`atoll_agent_telemetry_forward_sent_total{to="${deadUrl}",signal="logs"} 6\n`)
  expect(lines).toContain(`atoll_agent_telemetry_forward_sent_total{to="${allUrl}",signal="traces"} 3\n`)
  expect(lines).toContain(`atoll_agent_telemetry_forward_received_total{to="${allUrl}",signal="traces"} 3\n`)
  expect(lines).toContain(`atoll_agent_telemetry_forward_waiting{to="${deadUrl}",signal="logs"} 0\n`)
  await telemetry.stop()
})

test('what a backend answers says whether it is told again', async () => {
  const backend = new FakeBackend()
  const endpoint = await backend.listen()
  const { post } = toForwardTarget({ endpoint, signals: ['logs'], slowMilliseconds: 1000 }, {})
  const told: Record<number, string> = {}
  for (const status of [200, 400, 401, 403, 404, 413, 429, 500, 501, 502, 503, 504]) {
    backend.status = status
    told[status] = (await post({ signal: 'logs', body: Buffer.from('') }, '')).kind
  }
  const kept = Object.fromEntries([401, 403, 429, 502, 503, 504].map((status) => [status, 'later']))
  const gone = Object.fromEntries([400, 404, 413, 500, 501].map((status) => [status, 'refused']))
  expect(told).toEqual({ 200: 'taken', ...kept, ...gone })
})
