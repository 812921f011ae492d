import { create, toBinary } from '@bufbuild/protobuf'
import { ExportLogsServiceRequestSchema } from '#envoy/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts'
import {
  accessRecordSeparator,
  accessRecordValues,
  accessRecordVersion,
  type AccessRecordValue,
} from '#mesh/telemetry/access-record.ts'
import { toGrpcFrame } from '../grpc-frames.ts'

/** So many lines are in a message: an Envoy sends them when there are 64 KiB. */
export const LINES_OF_MESSAGE = 80
export const linePathPrefix = '/lines/'
const DIGITS = 10
const numberMark = '#'.repeat(DIGITS)
const timeMark = 0x5a5a5a5a5a5a5a5an

/** What a sidecar tells of its requests, over and over: only lines' numbers and times are new each time, so that making it costs nothing. */
export interface RecordTemplate {
  readonly frame: Buffer
  /** Where in the frame each line's number and time are. */
  readonly numbersAt: readonly number[]
  readonly timesAt: readonly number[]
}

export const toRecordTemplate = (proxy: number): RecordTemplate => {
  const logRecords = Array.from({ length: LINES_OF_MESSAGE }, (_, index) => ({
    timeUnixNano: timeMark,
    body: { value: { case: 'stringValue' as const, value: toText(proxy, index) } },
  }))
  const request = create(ExportLogsServiceRequestSchema, {
    resourceLogs: [{ resource: {}, scopeLogs: [{ logRecords }] }],
  })
  const frame = toGrpcFrame(toBinary(ExportLogsServiceRequestSchema, request))
  const time = Buffer.alloc(8)
  time.writeBigUInt64LE(timeMark)
  return { frame, numbersAt: findAll(frame, Buffer.from(numberMark)), timesAt: findAll(frame, time) }
}

/** A message of the lines from `first` on, of now. */
export const fillTemplate = ({ frame, numbersAt, timesAt }: RecordTemplate, first: number): Buffer => {
  const filled = Buffer.from(frame)
  const nowNs = BigInt(Date.now()) * 1_000_000n
  for (const [index, at] of numbersAt.entries()) filled.write(String(first + index).padStart(DIGITS, '0'), at, 'latin1')
  for (const at of timesAt) filled.writeBigUInt64LE(nowNs, at)
  return filled
}

const findAll = (bytes: Buffer, mark: Buffer): number[] => {
  const found: number[] = []
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + mark.length)) found.push(at)
  return found
}

/** One in 80 fails. */
const toText = (proxy: number, index: number): string => {
  const peer = `service-${(proxy * 7 + index) % 20}`
  const trace = `0af7651916cd43dd8448eb21${String(proxy * 1000 + index).padStart(8, '0')}`
  const values: Partial<Record<AccessRecordValue, string>> = {
    version: accessRecordVersion,
    reporter: 'source',
    protocol: 'http',
    durationUs: String(900 + (((proxy + index) * 7919) % 90_000)),
    durationMs: '12',
    code: index === 0 ? '503' : '200',
    receivedBytes: '0',
    sentBytes: String(index * 31),
    attempts: '1',
    details: 'via_upstream',
    httpVersion: 'HTTP/1.1',
    method: 'GET',
    authority: `${peer}.shop:8080`,
    path: `${linePathPrefix}${numberMark}?page=${index}`,
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64) bench/1.0',
    requestId: `3f1c0d52-6b7e-4c1a-9f43-${String(proxy).padStart(4, '0')}${String(index).padStart(8, '0')}`,
    route: 'default',
    upstreamHost: `10.2.${proxy % 250}.${index}:8080`,
    gatewayHops: '0',
    remoteAddress: `10.1.${proxy % 250}.9:${30_000 + index}`,
    service: `${peer}.shop.svc.cluster.local`,
    servicePort: '8080',
    peerSubject: `OU=workload:${peer}-v1,OU=service:${peer},OU=app:${peer},OU=version:v1`,
    peerUriNames: `spiffe://bench.atoll.local/ns/shop/sa/${peer}`,
    peerDnsNames: `${peer}.shop.east.clusters.bench.atoll.local`,
    traceId: trace,
    traceSent: `00-${trace}-b7ad6b7169203331-01`,
  }
  return accessRecordValues.map((name) => values[name] ?? '-').join(accessRecordSeparator)
}
