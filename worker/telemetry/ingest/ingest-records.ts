import { AtollError } from '#api/atoll-error.ts'
import type { FromResource, OtlpLogRecord, OtlpSpan } from '../otlp/otlp.ts'
import { readJsonLogs, readJsonSpans } from '../otlp/read-json.ts'
import { readProtobufLogs, readProtobufSpans } from '../otlp/read-protobuf.ts'
import { addLogRecords } from '../records/access-log-table.ts'
import type { Arrival } from '../records/access-log-table.ts'
import { toBloom, toExtent } from '../records/describe-columns.ts'
import { packColumns } from '../records/pack-columns.ts'
import { measureColumns, RecordTable, sliceRows } from '../records/record-table.ts'
import type { Columns } from '../records/record-table.ts'
import type { RecordSignal } from '../records/signal-fields.ts'
import { addSpans } from '../records/span-table.ts'
import { openTelemetryStore } from '../telemetry-store.ts'
import type { Chunk, Leave } from '../telemetry-store.ts'
import type { ExportOutcome, ExportRequest, Ingest } from './ingest.ts'
import { storeBatch } from './store-batch.ts'
import type { Sender } from './sender.ts'

/** A row of SQLite takes 2 MB, of which a Bloom filter may have an eighth. */
const MAX_CHUNK_BYTES = 1_700_000
/** What is searched and archived is unpacked a chunk at a time. */
const MAX_CHUNK_UNPACKED = 4 * 1024 * 1024

/** The records of one place, on their way to its store. */
interface Load {
  readonly leave: Leave
  readonly table: RecordTable
}

/** What differs between logs and traces. */
interface RecordKind<Item> {
  readonly signal: RecordSignal
  readonly read: (request: ExportRequest) => readonly FromResource<Item>[]
  readonly add: (table: RecordTable, from: FromResource<Item>, arrival: Arrival) => number
  readonly daysOf: (leave: Leave) => number
  readonly refusal: string
}

const toChunks = async (signal: RecordSignal, columns: Columns): Promise<readonly Chunk[]> => {
  const unpacked = measureColumns(columns)
  if (unpacked <= MAX_CHUNK_UNPACKED || columns.rows === 1) {
    const body = await packColumns(columns)
    if (body.byteLength <= MAX_CHUNK_BYTES || columns.rows === 1)
      return [{ extent: toExtent(columns), bloom: toBloom(signal, columns), unpacked, body }]
  }
  const half = Math.ceil(columns.rows / 2)
  return [
    ...(await toChunks(signal, sliceRows(columns, 0, half))),
    ...(await toChunks(signal, sliceRows(columns, half, columns.rows))),
  ]
}

const ingestRecords =
  <Item>({ signal, read, add, daysOf, refusal }: RecordKind<Item>): Ingest =>
  async (env, request) => {
    const { loads, ...outcome } = await sort(read(request), request, add, daysOf, refusal)
    for (const { leave, table } of loads) {
      if (table.rows === 0) continue
      const batch = { signal, sha256: request.sha256, chunks: await toChunks(signal, table) }
      await storeBatch(() => openTelemetryStore(env, leave.place).takeBatch(leave, batch))
    }
    return outcome
  }

const sort = async <Item>(
  resources: readonly FromResource<Item>[],
  { sender, nowMs }: ExportRequest,
  add: RecordKind<Item>['add'],
  daysOf: RecordKind<Item>['daysOf'],
  refusal: string,
): Promise<ExportOutcome & { readonly loads: readonly Load[] }> => {
  const loads = new Map<string, Load>()
  let rejected = 0
  let reason = ''
  for (const from of resources) {
    const leave = await findLeave(sender, from)
    if ('refusal' in leave) {
      rejected += from.items.length
      reason = leave.refusal
      continue
    }
    const key = `${leave.place.meshId}/${leave.place.cluster}`
    const load = loads.get(key) ?? { leave, table: new RecordTable() }
    loads.set(key, load)
    const refused = add(load.table, from, { cluster: leave.place.cluster, nowMs, days: daysOf(leave) })
    rejected += refused
    if (refused > 0) reason = refusal
  }
  if (loads.size === 0 && resources.length > 0) throw new AtollError('not_found', reason)
  return { rejected, reason, loads: [...loads.values()] }
}

const findLeave = (sender: Sender, { attributes }: FromResource<unknown>): ReturnType<Sender> => {
  const find = (key: string): string | undefined => {
    const [, value] = attributes.find(([name]) => name === key) ?? []
    return value === undefined ? undefined : String(value)
  }
  return sender({ mesh: find('atoll.mesh'), cluster: find('k8s.cluster.name') })
}

export const ingestLogs = ingestRecords<OtlpLogRecord>({
  signal: 'logs',
  read: ({ encoding, body }) => (encoding === 'json' ? readJsonLogs(body) : readProtobufLogs(body)),
  add: addLogRecords,
  daysOf: ({ retention }) => retention.logDays,
  refusal: 'there were more records than a batch may hold',
})

export const ingestTraces = ingestRecords<OtlpSpan>({
  signal: 'traces',
  read: ({ encoding, body }) => (encoding === 'json' ? readJsonSpans(body) : readProtobufSpans(body)),
  add: addSpans,
  daysOf: ({ retention }) => retention.traceDays,
  refusal: 'spans had no ID, or were more than a batch may hold',
})
