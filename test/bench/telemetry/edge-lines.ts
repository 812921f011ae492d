import { randomUUID } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { RecordWriter } from '#agent/telemetry/records/record-writer.ts'
import type { KnownFields } from '#mesh/telemetry/to-access-log-record.ts'

export const LINES_OF_BATCH = 5_000
export const SERVICES = 50
/** Every so many lines one is a failure, and another one is slow: prime, so that they are of all services. */
const RARE = 9_973

/** When the lines are of: one after the other, `stepUs` between them. */
export interface Span {
  readonly firstUs: number
  readonly stepUs: number
}

export interface EncodedBatch {
  readonly unpackedBytes: number
  readonly body: Uint8Array<ArrayBuffer>
}

/** Access log records as an agent sends them: the lines from `first` on. */
export const encodeBatch = (first: number, lines: number, { firstUs, stepUs }: Span): EncodedBatch => {
  const writer = new RecordWriter()
  const time = Buffer.alloc(8)
  for (let line = first; line < first + lines; line += 1) {
    time.writeBigUInt64LE(BigInt(Math.round(firstUs + line * stepUs)) * 1000n)
    writer.add(time, none, toFields(line))
  }
  const bytes = writer.take(none)
  return { unpackedBytes: bytes.length, body: new Uint8Array(gzipSync(bytes, { level: 1 })) }
}

/** A line's own, without order, so that it is known which there are: odd factors make of different words different ones. */
export const toTraceId = (line: number): Buffer => {
  const id = Buffer.alloc(16)
  for (const [index, factor] of [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f].entries())
    id.writeUInt32BE(Math.imul(line + 1, factor) >>> 0, index * 4)
  return id
}

const none = Buffer.alloc(0)

const toFields = (line: number): KnownFields => {
  const [from, to] = [line % SERVICES, (line * 7) % SERVICES]
  const side = (name: string, service: number) => ({
    [`${name}_cluster`]: 'east',
    [`${name}_workload`]: `service-${service}-v1`,
    [`${name}_workload_namespace`]: `team-${service % 10}`,
    [`${name}_principal`]: `spiffe://bench.atoll.local/ns/team-${service % 10}/sa/service-${service}`,
    [`${name}_canonical_service`]: `service-${service}`,
    [`${name}_canonical_revision`]: 'v1',
    [`${name}_app`]: `service-${service}`,
    [`${name}_version`]: 'v1',
  })
  const trace = toTraceId(line).toString('hex')
  return {
    trace_id: trace,
    span_id: trace.slice(8, 24),
    ...side('source', from),
    ...side('destination', to),
    duration_us: line % RARE === 1 ? 6_000_000 : 500 + ((line * 7919) % 50_000),
    request_id: randomUUID(),
    proxy: `sidecar/team-${from % 10}/service-${from}-v1`,
    reporter: line % 2 === 0 ? 'source' : 'destination',
    revision: 42,
    source_address: `10.1.${from}.${line % 250}:${30_000 + (line % 20_000)}`,
    destination_service: `service-${to}.team-${to % 10}.svc.cluster.local`,
    destination_service_name: `service-${to}`,
    destination_service_namespace: `team-${to % 10}`,
    destination_port: 8080,
    request_protocol: 'http',
    connection_security_policy: 'mutual_tls',
    response_code: line % RARE === 0 ? 503 : 200,
    response_flags: '',
    response_details: 'via_upstream',
    method: line % 5 === 0 ? 'POST' : 'GET',
    authority: `service-${to}.team-${to % 10}:8080`,
    path: `/api/v1/items/${line}?page=${line % 7}`,
    http_version: 'HTTP/2',
    user_agent: 'Mozilla/5.0 (X11; Linux x86_64) bench/1.0',
    route: 'default',
    upstream_host: `10.2.${to}.${line % 250}:8080`,
    gateway_hops: 0,
    attempts: 1,
    request_bytes: line % 2_000,
    response_bytes: (line * 31) % 60_000,
  }
}
