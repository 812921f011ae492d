import { ProtobufReader } from '../otlp/protobuf-reader.ts'
import { DELTA, newPoint, NO_RECORDED_VALUE } from './otlp-metrics.ts'
import type { OtlpMetric, OtlpPoint, OtlpResource } from './otlp-metrics.ts'

/** `ExportMetricsServiceRequest` as protobuf. Field numbers: opentelemetry/proto. Throws AtollError `invalid_request`. */
export const readProtobufMetrics = (bytes: Uint8Array): OtlpResource[] => {
  const reader = new ProtobufReader(bytes)
  const resources: OtlpResource[] = []
  reader.fields((field) => {
    if (field !== 1) return false
    const resource: OtlpResource = { attributes: [], metrics: [] }
    resources.push(resource)
    return reader.message((part) => {
      if (part === 1) return reader.message((inner) => inner === 1 && readAttribute(reader, resource.attributes))
      if (part !== 2) return false
      return reader.message((inner) => inner === 2 && readMetric(reader, resource.metrics))
    })
  })
  return resources
}

const kinds: Readonly<Record<number, OtlpMetric['kind']>> = {
  5: 'other',
  7: 'sum',
  9: 'histogram',
  10: 'other',
  11: 'other',
}

const readMetric = (reader: ProtobufReader, metrics: OtlpMetric[]): true => {
  const metric: OtlpMetric = { name: '', kind: 'other', isDelta: false, isMonotonic: false, points: [] }
  metrics.push(metric)
  return reader.message((field) => {
    if (field === 1) {
      metric.name = reader.text()
      return true
    }
    const kind = kinds[field]
    if (!kind) return false
    metric.kind = kind
    return reader.message((part) => {
      if (part === 1) metric.points.push(readPoint(reader, kind))
      else if (part === 2 && kind !== 'other') metric.isDelta = reader.uint32() === DELTA
      else if (part === 3 && kind === 'sum') metric.isMonotonic = reader.uint32() !== 0
      else return false
      return true
    })
  })
}

/** What follows on 64 bits each. */
const readPacked = (reader: ProtobufReader, read: (view: DataView, at: number) => number): number[] => {
  const bytes = reader.bytes()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: Math.floor(bytes.byteLength / 8) }, (_, index) => read(view, index * 8))
}

/** A point and its lists. */
const POINT_OBJECTS = 4

const readPoint = (reader: ProtobufReader, kind: OtlpMetric['kind']): OtlpPoint => {
  const point = newPoint()
  const attributes = kind === 'histogram' ? 9 : 7
  const flags = kind === 'histogram' ? 10 : 8
  reader.message((field) => {
    if (kind === 'other') return false
    if (field === attributes) return readAttribute(reader, point.attributes)
    if (field === flags) point.isEmpty = (reader.uint32() & NO_RECORDED_VALUE) !== 0
    else if (field === 3) point.timeMs = Number(reader.fixed64() / 1_000_000n)
    else if (kind === 'sum') {
      if (field === 4) point.value = reader.double()
      else if (field === 6) point.value = Number(BigInt.asIntN(64, reader.fixed64()))
      else return false
    } else if (field === 4) point.count = Number(reader.fixed64())
    else if (field === 5) point.sum = reader.double()
    else if (field === 6) point.bucketCounts = readPacked(reader, (view, at) => Number(view.getBigUint64(at, true)))
    else if (field === 7) point.bounds = readPacked(reader, (view, at) => view.getFloat64(at, true))
    else return false
    return true
  }, POINT_OBJECTS)
  return point
}

const readAttribute = (reader: ProtobufReader, attributes: [string, string][]): true => {
  let key = ''
  let value = ''
  reader.message((field) => {
    if (field === 1) key = reader.text()
    else if (field === 2) value = readValue(reader)
    else return false
    return true
  })
  attributes.push([key, value])
  return true
}

/** AnyValue: string = 1, bool = 2, int = 3, double = 4. What is composed is no label. */
const readValue = (reader: ProtobufReader): string => {
  let value = ''
  reader.message((field) => {
    if (field === 1) value = reader.text()
    else if (field === 2) value = String(reader.uint32() !== 0)
    else if (field === 3) value = String(reader.int64())
    else if (field === 4) value = String(reader.double())
    else return false
    return true
  }, 0)
  return value
}
