/** A record of an export. */
export interface LogRecord {
  /** When it was: `time_unix_nano`, as its eight bytes. */
  readonly time: Uint8Array
  readonly body: string
}

/**
 * The records of an ExportLogsServiceRequest whose bodies are texts (opentelemetry/proto/collector/logs/v1). By hand: a proxy sends what it was
 * sent, bytes that are no UTF-8 too, for which a strict reader would refuse all records beside it. Such bytes become U+FFFD.
 *
 * @throws {RangeError} when it is no such message
 */
export const readLogExport = (request: Buffer): readonly LogRecord[] => {
  const records: LogRecord[] = []
  const onScope = (from: number, to: number) =>
    walk(request, from, to, 2, (start, end) => records.push(readRecord(request, start, end)))
  walk(request, 0, request.length, 1, (from, to) => walk(request, from, to, 2, onScope))
  return records
}

const noTime = new Uint8Array(8)

const readRecord = (bytes: Buffer, from: number, to: number): LogRecord => {
  let time: Uint8Array = noTime
  let body = ''
  const reader = new Reader(bytes, from, to)
  while (reader.next())
    if (reader.field === 1 && reader.end - reader.start === 8) time = bytes.subarray(reader.start, reader.end)
    else if (reader.field === 5 && reader.isNested)
      walk(bytes, reader.start, reader.end, 1, (start, end) => (body = bytes.toString('utf8', start, end)))
  return { time, body }
}

/** Calls for each nested field of this number. */
const walk = (
  bytes: Buffer,
  from: number,
  to: number,
  field: number,
  onNested: (start: number, end: number) => void,
): void => {
  const reader = new Reader(bytes, from, to)
  while (reader.next()) if (reader.field === field && reader.isNested) onNested(reader.start, reader.end)
}

const wireTypes = { varint: 0, fixed64: 1, nested: 2, fixed32: 5 }

/** The fields of a message, one after the other (Protocol Buffers: Encoding). */
class Reader {
  readonly #bytes: Buffer
  readonly #to: number
  #at: number
  field = 0
  isNested = false
  /** Where the field's value is. */
  start = 0
  end = 0

  constructor(bytes: Buffer, from: number, to: number) {
    this.#bytes = bytes
    this.#at = from
    this.#to = to
  }

  next(): boolean {
    if (this.#at >= this.#to) return false
    const tag = this.#varint()
    this.field = Math.floor(tag / 8)
    const wireType = tag % 8
    this.isNested = wireType === wireTypes.nested
    const length = this.#lengthOf(wireType)
    this.start = this.#at
    this.end = this.#at + length
    if (this.end > this.#to) throw new RangeError('a field is longer than its message')
    this.#at = this.end
    return true
  }

  #lengthOf(wireType: number): number {
    switch (wireType) {
      case wireTypes.nested:
        return this.#varint()
      case wireTypes.fixed64:
        return 8
      case wireTypes.fixed32:
        return 4
      case wireTypes.varint: {
        this.#varint()
        return 0
      }
      default:
        throw new RangeError('a field has no wire type of protobuf')
    }
  }

  #varint(): number {
    let value = 0
    for (let scale = 1; scale <= 2 ** 63; scale *= 128) {
      const byte = this.#at < this.#to ? this.#bytes[this.#at++] : undefined
      if (byte === undefined) throw new RangeError('a number ends with its message')
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw new RangeError('a number is too long')
  }
}
