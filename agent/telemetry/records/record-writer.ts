import { toField, toVarint } from '#agent/telemetry/protobuf-field.ts'
import type { KnownFields } from '#mesh/telemetry/to-access-log-record.ts'

/**
 * Writes OTLP's log records (opentelemetry/proto/logs/v1/logs.proto, common.proto) one after the other into one buffer. By hand: of all that the agent does for a
 * request this is the most.
 */
export class RecordWriter {
  #bytes = Buffer.allocUnsafe(64 * 1024)
  #at = 0
  #records = 0

  get length(): number {
    return this.#at
  }

  get records(): number {
    return this.#records
  }

  /** `time`: time_unix_nano, eight bytes. `common`: fields that are encoded already. */
  add(time: Uint8Array, common: Uint8Array, fields: KnownFields): void {
    const start = this.#begin(time, fields)
    this.#put(common)
    for (const name in fields) {
      const value = fields[name as keyof KnownFields]
      if (value !== undefined && !native.has(name)) this.#attribute(name, value)
    }
    this.#end(start)
  }

  /** All that was written, as `scope_logs` of a `resource_logs` of this resource; nothing is in it then. */
  take(resource: Uint8Array): Buffer {
    const records = this.#bytes.subarray(0, this.#at)
    this.#at = 0
    this.#records = 0
    return toField(1, [resource, toField(2, [scope, records])])
  }

  #begin(time: Uint8Array, fields: KnownFields): number {
    const { trace_id: traceId, span_id: spanId } = fields
    this.#reserve(64)
    // A tag, and room for the length, which is known at the end.
    this.#bytes[this.#at] = (2 << 3) | 2
    const start = this.#at + 1 + lengthBytes
    this.#at = start
    this.#bytes[this.#at++] = (1 << 3) | 1
    this.#at += Buffer.from(time.buffer, time.byteOffset, 8).copy(this.#bytes, this.#at)
    if (typeof traceId === 'string') this.#hex(9, traceId)
    if (typeof spanId === 'string') this.#hex(10, spanId)
    return start
  }

  /** The length in always as many bytes: protobuf lets a number have zeros before it. */
  #end(start: number): void {
    let left = this.#at - start
    for (let index = 0; index < lengthBytes; index += 1) {
      this.#bytes[start - lengthBytes + index] = (left & 0x7f) | (index < lengthBytes - 1 ? 0x80 : 0)
      left >>>= 7
    }
    this.#records += 1
  }

  #hex(field: number, digits: string): void {
    this.#bytes[this.#at] = (field << 3) | 2
    this.#bytes[this.#at + 1] = digits.length / 2
    this.#at += 2
    this.#at += this.#bytes.write(digits, this.#at, 'hex')
  }

  #put(encoded: Uint8Array): void {
    this.#reserve(encoded.length)
    this.#bytes.set(encoded, this.#at)
    this.#at += encoded.length
  }

  #attribute(name: string, value: string | number): void {
    const key = keyOf(name)
    const size = typeof value === 'string' ? Buffer.byteLength(value) : varintLength(value)
    this.#reserve(key.length + size + 24)
    const valueSize = typeof value === 'string' ? 1 + varintLength(size) + size : 1 + size
    this.#bytes[this.#at++] = (6 << 3) | 2
    this.#varint(key.length + 1 + varintLength(valueSize) + valueSize)
    this.#bytes.set(key, this.#at)
    this.#at += key.length
    this.#bytes[this.#at++] = (2 << 3) | 2
    this.#varint(valueSize)
    if (typeof value === 'string') {
      this.#bytes[this.#at++] = (1 << 3) | 2
      this.#varint(size)
      this.#at += this.#bytes.write(value, this.#at, 'utf8')
    } else {
      this.#bytes[this.#at++] = 3 << 3
      this.#varint(value)
    }
  }

  #varint(value: number): void {
    let left = value
    while (left >= 0x80) {
      this.#bytes[this.#at++] = (left % 0x80) | 0x80
      left = Math.floor(left / 0x80)
    }
    this.#bytes[this.#at++] = left
  }

  #reserve(size: number): void {
    if (this.#at + size <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + size))
    this.#bytes.copy(grown, 0, 0, this.#at)
    this.#bytes = grown
  }
}

/** Attributes as a field of a record, of a resource. */
export const encodeAttributes = (fields: KnownFields, of: 'record' | 'resource'): Buffer => {
  const number = of === 'record' ? 6 : 1
  return Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => {
      if (value === undefined) return []
      const told =
        typeof value === 'string' ? toField(1, [Buffer.from(value)]) : Buffer.from([3 << 3, ...toVarint(value)])
      return [toField(number, [keyOf(name), toField(2, [told])])]
    }),
  )
}

/** `resource` = 1 of a `resource_logs`. */
export const encodeResource = (fields: KnownFields): Buffer => toField(1, [encodeAttributes(fields, 'resource')])

/** 2^28 bytes: more than any record has. */
const lengthBytes = 4

/** What a record has a field of its own for. */
const native: ReadonlySet<string> = new Set(['trace_id', 'span_id'])

const varintLength = (value: number): number => {
  let length = 1
  for (let left = value; left >= 0x80; left = Math.floor(left / 0x80)) length += 1
  return length
}

const keys = new Map<string, Buffer>()
const keyOf = (name: string): Buffer => {
  const known = keys.get(name)
  if (known) return known
  const key = toField(1, [Buffer.from(name)])
  keys.set(name, key)
  return key
}

/** `scope` = 1 of a `scope_logs`, with its `name`. */
const scope = toField(1, [toField(1, [Buffer.from('atoll.access')])])
