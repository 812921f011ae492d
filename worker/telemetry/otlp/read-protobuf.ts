import { toBase64, toHex } from '../../encode-bytes.ts'
import { newLogRecord, newSpan } from './otlp.ts'
import type { Attribute, AttributeValue, FromResource, OtlpLogRecord, OtlpSpan } from './otlp.ts'
import { ProtobufReader } from './protobuf-reader.ts'

/** JSON of OTLP's AnyValue, as far as arrays and maps need it. */
type AnyJson = Readonly<Record<string, unknown>>

/** `ExportLogsServiceRequest` as protobuf. Field numbers: opentelemetry/proto. Throws AtollError `invalid_request`. */
export const readProtobufLogs = (bytes: Uint8Array): FromResource<OtlpLogRecord>[] => readExport(bytes, readLogRecord)

/** `ExportTraceServiceRequest` as protobuf. */
export const readProtobufSpans = (bytes: Uint8Array): FromResource<OtlpSpan>[] => readExport(bytes, readSpan)

/** What both have in common: resource_… = 1 with resource = 1 and scope_… = 2, in which the items are 2. */
const readExport = <Item>(bytes: Uint8Array, readItem: (reader: ProtobufReader) => Item): FromResource<Item>[] => {
  const reader = new ProtobufReader(bytes)
  const resources: FromResource<Item>[] = []
  reader.fields((field) => {
    if (field !== 1) return false
    const attributes: Attribute[] = []
    const items: Item[] = []
    reader.message((part) => {
      if (part === 1) return reader.message((inner) => inner === 1 && readAttribute(reader, attributes))
      if (part !== 2) return false
      return reader.message((inner) => {
        if (inner !== 2) return false
        items.push(readItem(reader))
        return true
      })
    })
    resources.push({ attributes, items })
    return true
  })
  return resources
}

const toMicroseconds = (nanoseconds: bigint): number => Number(nanoseconds / 1000n)

// Of a batch of access logs nearly all is records, attributes and their values: these are read without a function for each. Most values are texts and numbers, which are no objects.

const readLogRecord = (reader: ProtobufReader): OtlpLogRecord => {
  const outer = reader.enter(2)
  const record = newLogRecord()
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 6) readAttribute(reader, record.attributes)
    else if (field === 1) record.time = toMicroseconds(reader.fixed64())
    else if (field === 3) record.severity = reader.text()
    else if (field === 5) record.body = readValue(reader)
    else if (field === 9) record.traceId = reader.hex()
    else if (field === 10) record.spanId = reader.hex()
    else if (field === 11) record.observedTime = toMicroseconds(reader.fixed64())
    else reader.skip()
  }
  reader.leave(outer)
  return record
}

const readSpan = (reader: ProtobufReader): OtlpSpan => {
  const span = newSpan()
  const events: unknown[] = []
  const links: unknown[] = []
  reader.message((field) => {
    switch (field) {
      case 1:
        span.traceId = reader.hex()
        return true
      case 2:
        span.spanId = reader.hex()
        return true
      case 4:
        span.parentSpanId = reader.hex()
        return true
      case 5:
        span.name = reader.text()
        return true
      case 6:
        span.kind = reader.uint32()
        return true
      case 7:
        span.start = toMicroseconds(reader.fixed64())
        return true
      case 8:
        span.end = toMicroseconds(reader.fixed64())
        return true
      case 9:
        return readAttribute(reader, span.attributes)
      case 11:
        events.push(readEvent(reader))
        return true
      case 13:
        links.push(readLink(reader))
        return true
      case 15:
        return reader.message((part) => {
          if (part === 2) span.statusMessage = reader.text()
          else if (part === 3) span.statusCode = reader.uint32()
          else return false
          return true
        })
      default:
        return false
    }
  })
  if (events.length + links.length > 0)
    span.events = JSON.stringify({ ...(events.length > 0 && { events }), ...(links.length > 0 && { links }) })
  return span
}

const readEvent = (reader: ProtobufReader): AnyJson => {
  const event: { timeUnixNano?: string; name?: string; attributes: AnyJson[] } = { attributes: [] }
  reader.message((field) => {
    if (field === 1) event.timeUnixNano = String(reader.fixed64())
    else if (field === 2) event.name = reader.text()
    else if (field === 3) event.attributes.push(readKeyValue(reader))
    else return false
    return true
  })
  return event
}

const readLink = (reader: ProtobufReader): AnyJson => {
  const link: { traceId?: string; spanId?: string; attributes: AnyJson[] } = { attributes: [] }
  reader.message((field) => {
    if (field === 1) link.traceId = reader.hex()
    else if (field === 2) link.spanId = reader.hex()
    else if (field === 4) link.attributes.push(readKeyValue(reader))
    else return false
    return true
  })
  return link
}

const readAttribute = (reader: ProtobufReader, attributes: Attribute[]): true => {
  let key = ''
  let value: AttributeValue = ''
  const outer = reader.enter()
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) key = reader.text()
    else if (field === 2) value = readValue(reader)
    else reader.skip()
  }
  reader.leave(outer)
  attributes.push([key, value])
  return true
}

/** AnyValue: string = 1, bool = 2, int = 3, double = 4, array = 5, kvlist = 6, bytes = 7. */
const readValue = (reader: ProtobufReader): AttributeValue => {
  let value: AttributeValue = ''
  const outer = reader.enter(0)
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) value = reader.text()
    else if (field === 2) value = String(reader.uint32() !== 0)
    else if (field === 3) value = reader.integer()
    else if (field === 4) value = reader.double()
    else if (field === 5) value = JSON.stringify({ arrayValue: { values: readRepeated(reader, readJsonValue) } })
    else if (field === 6) value = JSON.stringify({ kvlistValue: { values: readRepeated(reader, readKeyValue) } })
    else if (field === 7) value = toHex(reader.bytes())
    else reader.skip()
  }
  reader.leave(outer)
  return value
}

const readRepeated = <Item>(reader: ProtobufReader, readItem: (reader: ProtobufReader) => Item): Item[] => {
  const items: Item[] = []
  reader.message((field) => {
    if (field !== 1) return false
    items.push(readItem(reader))
    return true
  })
  return items
}

const readKeyValue = (reader: ProtobufReader): AnyJson => {
  let key = ''
  let value: AnyJson = {}
  reader.message((field) => {
    if (field === 1) key = reader.text()
    else if (field === 2) value = readJsonValue(reader)
    else return false
    return true
  })
  return { key, value }
}

const readJsonValue = (reader: ProtobufReader): AnyJson => {
  let value: AnyJson = {}
  reader.message((field) => {
    if (field === 1) value = { stringValue: reader.text() }
    else if (field === 2) value = { boolValue: reader.uint32() !== 0 }
    else if (field === 3) value = { intValue: String(reader.int64()) }
    else if (field === 4) value = { doubleValue: reader.double() }
    else if (field === 5) value = { arrayValue: { values: readRepeated(reader, readJsonValue) } }
    else if (field === 6) value = { kvlistValue: { values: readRepeated(reader, readKeyValue) } }
    else if (field === 7) value = { bytesValue: toBase64(reader.bytes()) }
    else return false
    return true
  })
  return value
}
