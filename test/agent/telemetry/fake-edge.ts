import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { gunzipSync } from 'node:zlib'
import type { AddressInfo } from 'node:net'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  ExportLogsServiceRequestSchema,
  ExportLogsServiceResponseSchema,
} from '#envoy/opentelemetry/proto/collector/logs/v1/logs_service_pb.ts'

type Fields = Readonly<Record<string, string | number>>

/** A plane, as far as it takes telemetry: it knows each batch of logs by its bytes, and says what a test wants it to. */
export class FakeEdge {
  /** Status of the next answers; a 200 may take only some of a batch. */
  status = 200
  rejects = 0
  /** Hears of each request, and what came, before it is answered; a rejection cuts the connection. */
  onRequest: ((body: Buffer) => Promise<void>) | undefined
  readonly tokens = new Set<string | undefined>()
  readonly paths = new Set<string | undefined>()
  /** Batches that were taken, by their hash. */
  readonly #batches = new Map<string, readonly Fields[]>()
  repeated = 0
  readonly #server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      void (async () => {
        this.tokens.add(request.headers.authorization)
        this.paths.add(request.url)
        const body = gunzipSync(Buffer.concat(chunks))
        await this.onRequest?.(body)
        const status = this.status
        if (status === 200 && request.url?.endsWith('/logs')) this.#take(body)
        response.writeHead(status)
        response.end(
          toBinary(
            ExportLogsServiceResponseSchema,
            create(ExportLogsServiceResponseSchema, {
              ...(this.rejects > 0 && { partialSuccess: { rejectedLogRecords: BigInt(this.rejects) } }),
            }),
          ),
        )
      })().catch(() => request.socket.destroy())
    })
  })

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  /** Of all batches, resources' attributes included. */
  get records(): readonly Fields[] {
    return [...this.#batches.values()].flat()
  }

  #take(body: Buffer): void {
    const hash = createHash('sha256').update(body).digest('hex')
    if (this.#batches.has(hash)) this.repeated += 1
    this.#batches.set(hash, readRecords(body))
  }
}

/** Records of an ExportLogsServiceRequest, as OTLP's own schema reads them. */
export const readRecords = (body: Uint8Array): Fields[] =>
  fromBinary(ExportLogsServiceRequestSchema, body).resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) =>
      logRecords.map((record) => ({
        time: Number(record.timeUnixNano),
        ...(record.traceId.length > 0 && { trace_id: Buffer.from(record.traceId).toString('hex') }),
        ...(record.spanId.length > 0 && { span_id: Buffer.from(record.spanId).toString('hex') }),
        ...Object.fromEntries(
          [...(resource?.attributes ?? []), ...record.attributes].map(({ key, value }) => {
            const told = value?.value.value
            return [key, typeof told === 'bigint' ? Number(told) : (told as string)]
          }),
        ),
      })),
    ),
  )
