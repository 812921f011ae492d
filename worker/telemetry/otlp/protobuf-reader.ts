import { AtollError } from '#api/atoll-error.ts'
import { toHex } from '../../encode-bytes.ts'
import { MAX_PROTOBUF_OBJECTS, refuseObjects } from './budget.ts'

const MAX_DEPTH = 32
const CACHED_TEXT_BYTES = 64
const CACHE_SLOTS = 4096
/** The end of a text tells more than its beginning. */
const HASHED_BYTES = 16
const textDecoder = new TextDecoder()

/** A text that was read before, and where it stands. */
interface CachedText {
  readonly start: number
  readonly length: number
  readonly text: string
}

/**
 * Reads protobuf (https://protobuf.dev/programming-guides/encoding) field by field: of a batch of telemetry most is texts that come again and again, and these are made
 * once. Throws AtollError `invalid_request` when the bytes are no protobuf, `too_large` when there are more messages in them than a Worker has memory for.
 */
export class ProtobufReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #cache: (CachedText | undefined)[] = []
  #at = 0
  #end: number
  #wire = 0
  #depth = 0
  #objects = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#end = bytes.byteLength
  }

  /** All fields of the outermost message. `read` reads the field's value and answers true, or leaves it and answers false. */
  fields(read: (field: number) => boolean): void {
    for (let field = this.next(); field !== 0; field = this.next()) if (!read(field)) this.skip()
  }

  /** All fields of a message that is the value of a field. */
  message(read: (field: number) => boolean, objects = 1): true {
    const outer = this.enter(objects)
    this.fields(read)
    this.leave(outer)
    return true
  }

  /**
   * Goes into the message that is the value of a field, of which the caller makes so many objects. Answers what `leave` takes to go on behind it, once `next` has
   * answered 0.
   */
  enter(objects = 1): number {
    this.#objects += objects
    if (this.#objects > MAX_PROTOBUF_OBJECTS) refuseObjects()
    this.#depth += 1
    if (this.#depth > MAX_DEPTH) this.#fail('messages are nested too deep')
    const outer = this.#end
    this.#end = this.#delimited()
    return outer
  }

  leave(outer: number): void {
    this.#end = outer
    this.#depth -= 1
  }

  /** The number of the next field of the message, whose value is to be read or skipped; 0: it has no more. */
  next(): number {
    if (this.#at >= this.#end) return 0
    const tag = this.#varint()
    this.#wire = tag % 8
    const field = Math.floor(tag / 8)
    return field === 0 ? this.#fail('a field has no number') : field
  }

  text(): string {
    const end = this.#delimited()
    const start = this.#at
    this.#at = end
    if (end - start > CACHED_TEXT_BYTES) return textDecoder.decode(this.#bytes.subarray(start, end))
    return this.#cachedText(start, end)
  }

  hex(): string {
    const end = this.#delimited()
    const bytes = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return toHex(bytes)
  }

  bytes(): Uint8Array {
    const end = this.#delimited()
    const bytes = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return bytes
  }

  /** A varint of at most 32 bits that counts something, or is an enum or a bool. */
  uint32(): number {
    this.#expect(0)
    return this.#varint()
  }

  int64(): bigint {
    this.#expect(0)
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, value)
    }
    return this.#fail('a number is too long')
  }

  /** As a number where that is exact, else its digits. */
  integer(): number | string {
    this.#expect(0)
    const start = this.#at
    let value = 0
    // Seven bytes are 49 bits.
    for (let factor = 1; factor < 2 ** 49; factor *= 0x80) {
      const byte = this.#byte()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    this.#at = start
    const integer = this.int64()
    const number = Number(integer)
    return Number.isSafeInteger(number) ? number : String(integer)
  }

  fixed64(): bigint {
    this.#expect(1)
    return this.#view.getBigUint64(this.#take(8), true)
  }

  double(): number {
    this.#expect(1)
    return this.#view.getFloat64(this.#take(8), true)
  }

  #cachedText(start: number, end: number): string {
    const bytes = this.#bytes
    const length = end - start
    let hash = length
    for (let index = Math.max(start, end - HASHED_BYTES); index < end; index += 1)
      hash = Math.imul(hash ^ (bytes[index] ?? 0), 0x01000193)
    const slot = (hash ^ (hash >>> 15)) & (CACHE_SLOTS - 1)
    const cached = this.#cache[slot]
    if (cached?.length === length && this.#isSame(cached.start, start, length)) return cached.text
    const text = this.#decode(start, end)
    this.#cache[slot] = { start, length, text }
    return text
  }

  #isSame(a: number, b: number, length: number): boolean {
    for (let index = 0; index < length; index += 1) if (this.#bytes[a + index] !== this.#bytes[b + index]) return false
    return true
  }

  /** The decoder of the runtime costs more than a short text is worth. */
  #decode(start: number, end: number): string {
    const own = this.#bytes.subarray(start, end)
    for (const byte of own) if (byte >= 0x80) return textDecoder.decode(own)
    return Reflect.apply(String.fromCharCode, undefined, own)
  }

  /** Where the value ends that begins with its length. */
  #delimited(): number {
    this.#expect(2)
    const end = this.#varint() + this.#at
    if (end > this.#end) this.#fail('a value is longer than what it is in')
    return end
  }

  #varint(): number {
    const first = this.#byte()
    if (first < 0x80) return first
    let value = first & 0x7f
    for (let factor = 0x80; factor < 2 ** 42; factor *= 0x80) {
      const byte = this.#byte()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    return this.#fail('a number is too long')
  }

  /** Leaves the value of the field that `next` has named. */
  skip(): void {
    switch (this.#wire) {
      case 0:
        this.int64()
        return
      case 1:
        this.#take(8)
        return
      case 2:
        this.#at = this.#delimited()
        return
      case 5:
        this.#take(4)
        return
      default:
        this.#fail(`there is no wire type ${this.#wire}`)
    }
  }

  #byte(): number {
    return this.#bytes[this.#take(1)] ?? 0
  }

  #take(count: number): number {
    const at = this.#at
    if (at + count > this.#end) this.#fail('it ends too early')
    this.#at += count
    return at
  }

  #expect(wire: number): void {
    if (this.#wire !== wire) this.#fail(`wire type ${this.#wire} where ${wire} is due`)
  }

  #fail(what: string): never {
    throw new AtollError('invalid_request', `not OTLP of this signal: ${what}, at byte ${this.#at}`)
  }
}
