import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'

/** What one proxy has counted in one series since it started. */
export interface PushedSeries {
  /** Tells the series of one proxy apart: the metric's name, and its attributes as they came. */
  readonly key: string
  readonly metric: string
  /** Takes the attributes apart; those that are no texts are left out. */
  readonly tags: () => ReadonlyMap<string, string>
  readonly value: number | Distribution
}

/** How values spread: `counts[i]` of them are at most `bounds[i]`, the last are above all bounds. */
export interface Distribution {
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
  readonly sum: number
}

export interface Push {
  /** When the proxy's process started, as it says: another one is another process. "" = it does not say. */
  readonly startedAt: string
  /** When it counted this, in nanoseconds since the epoch by its own clock; 0 = it does not say. */
  readonly at: bigint
  readonly series: readonly PushedSeries[]
  /** Data points that were none of a proxy's. */
  readonly malformed: number
}

/** More than any proxy has been told to count (xds/build/build-stats-logs.ts), with what it counts beside. */
const maxSeries = 5000
const maxBuckets = 128
/** Of a series' name and attributes: each of many is kept. */
const maxKeyLength = 4096

/**
 * Reads what Envoy's OTLP stats sink sends (opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest): sums and histograms,
 * cumulative. Every proxy sends all of its series every few seconds, nearly all as they were before: attributes are not taken apart before
 * somebody asks. What it does not know it skips. Throws for what is no protobuf.
 */
export const readPush = (bytes: Uint8Array): Push => {
  const series: PushedSeries[] = []
  let startedAt = ''
  let at = 0n
  let malformed = 0
  for (const resource of fields(bytes, 1))
    for (const scope of fields(resource, 2))
      for (const metric of fields(scope, 2))
        readMetric(metric, (point) => {
          startedAt ||= point.startedAt
          at ||= point.at
          if (series.length < maxSeries && point.key.length <= maxKeyLength && isCount(point.value)) series.push(point)
          else malformed++
        })
  return { startedAt, at, series, malformed }
}

/** What a counter or a histogram of Envoy's can be: whole numbers that are exact, bounds that rise. */
const isCount = (value: number | Distribution): boolean => {
  if (typeof value === 'number') return isNatural(value)
  const { bounds, counts, sum } = value
  return (
    bounds.length <= maxBuckets &&
    counts.length === bounds.length + 1 &&
    bounds.every((bound, index) => Number.isFinite(bound) && bound > (bounds[index - 1] ?? -Infinity)) &&
    counts.every(isNatural) &&
    Number.isFinite(sum) &&
    sum >= 0
  )
}

const isNatural = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

const decoder = new TextDecoder()

/** The messages in a field of a message. */
function* fields(bytes: Uint8Array, wanted: number): Generator<Uint8Array> {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    if (number === wanted && wireType === WireType.LengthDelimited) yield reader.bytes()
    else reader.skip(wireType, number)
  }
}

type Point = PushedSeries & Pick<Push, 'startedAt' | 'at'>

/** metrics.v1.Metric: name = 1, sum = 7, histogram = 9; data points are field 1 of either. */
const readMetric = (bytes: Uint8Array, take: (point: Point) => void): void => {
  const reader = new BinaryReader(bytes)
  let metric = ''
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    if (wireType !== WireType.LengthDelimited) reader.skip(wireType, number)
    else if (number === 1) metric = reader.string()
    else if (number === 7) for (const point of fields(reader.bytes(), 1)) take(readPoint(metric, point, readSumField))
    else if (number === 9)
      for (const point of fields(reader.bytes(), 1)) take(readPoint(metric, point, readHistogramField))
    else reader.skip(wireType, number)
  }
}

interface PointFields {
  value: number
  counts: readonly number[]
  bounds: readonly number[]
  sum: number
}

/** Returns whether it knows the field, which it has read then. */
type ReadField = (reader: BinaryReader, number: number, wireType: WireType, into: PointFields) => boolean

/** metrics.v1.NumberDataPoint: as_double = 4, as_int = 6. */
const readSumField: ReadField = (reader, number, _wireType, into) => {
  if (number === 6) into.value = Number(reader.sfixed64())
  else if (number === 4) into.value = reader.double()
  else return false
  return true
}

/** metrics.v1.HistogramDataPoint: sum = 5, bucket_counts = 6, explicit_bounds = 7. */
const readHistogramField: ReadField = (reader, number, wireType, into) => {
  if (number === 5) into.sum = reader.double()
  else if (number === 6 && wireType === WireType.LengthDelimited) into.counts = readFixed64s(reader.bytes())
  else if (number === 7 && wireType === WireType.LengthDelimited) into.bounds = readDoubles(reader.bytes())
  else return false
  return true
}

/** start_time_unix_nano = 2, time_unix_nano = 3; attributes = 7 of a NumberDataPoint, 9 of a HistogramDataPoint. */
const readPoint = (metric: string, bytes: Uint8Array, readField: ReadField): Point => {
  const attributesField = readField === readSumField ? 7 : 9
  const reader = new BinaryReader(bytes)
  const into: PointFields = { value: 0, counts: [], bounds: [], sum: 0 }
  const attributes: Uint8Array[] = []
  let key = metric
  let startedAt = ''
  let at = 0n
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    if (number === attributesField && wireType === WireType.LengthDelimited) {
      const attribute = reader.bytes()
      attributes.push(attribute)
      key += `\n${Buffer.from(attribute.buffer, attribute.byteOffset, attribute.length).toString('latin1')}`
    } else if (number === 2 && wireType === WireType.Bit64) startedAt = String(reader.fixed64())
    else if (number === 3 && wireType === WireType.Bit64) at = BigInt(reader.fixed64())
    else if (!readField(reader, number, wireType, into)) reader.skip(wireType, number)
  }
  const isHistogram = readField === readHistogramField
  return {
    key,
    metric,
    tags: () => new Map(attributes.flatMap(readAttribute)),
    value: isHistogram ? { bounds: into.bounds, counts: into.counts, sum: into.sum } : into.value,
    startedAt,
    at,
  }
}

const readFixed64s = (bytes: Uint8Array): number[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from(
    { length: Math.floor(bytes.length / 8) },
    (_, index) => view.getUint32(index * 8, true) + view.getUint32(index * 8 + 4, true) * 2 ** 32,
  )
}

const readDoubles = (bytes: Uint8Array): number[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from({ length: Math.floor(bytes.length / 8) }, (_, index) => view.getFloat64(index * 8, true))
}

/** common.v1.KeyValue: key = 1, value = 2; AnyValue: string_value = 1. */
const readAttribute = (bytes: Uint8Array): (readonly [key: string, value: string])[] => {
  const [key] = fields(bytes, 1)
  const [value] = fields(bytes, 2)
  if (key === undefined || value === undefined) return []
  const [text] = fields(value, 1)
  // An empty text may be left out of the message.
  if (text === undefined && value.length > 0) return []
  return [[decoder.decode(key), decoder.decode(text)]]
}
