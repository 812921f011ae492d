/** Bytes as they are written. Numbers take as few as they need. */
export class ByteWriter {
  #bytes = new Uint8Array(1024)
  #length = 0
  readonly #encoder = new TextEncoder()

  get length(): number {
    return this.#length
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more))
    larger.set(this.#bytes)
    this.#bytes = larger
  }

  /** A whole number from 0 to 2^53. */
  count(value: number): void {
    this.#reserve(8)
    while (value >= 0x80) {
      this.#bytes[this.#length++] = (value % 0x80) | 0x80
      value = Math.floor(value / 0x80)
    }
    this.#bytes[this.#length++] = value
  }

  /** Any number: what is counted is mostly whole. */
  number(value: number): void {
    if (value >= 0 && value < 2 ** 52 && Number.isInteger(value)) {
      this.count(value * 2)
      return
    }
    this.count(1)
    this.#reserve(8)
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value)
    this.#length += 8
  }

  text(value: string): void {
    this.bytes(this.#encoder.encode(value))
  }

  /** With their number before them. */
  bytes(value: Uint8Array): void {
    this.count(value.length)
    this.#reserve(value.length)
    this.#bytes.set(value, this.#length)
    this.#length += value.length
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length)
  }
}

/** Bytes as they were written. Throws where they end too early. */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #decoder = new TextDecoder()
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  count(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const byte = this.#view.getUint8(this.#at++)
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
  }

  number(): number {
    const value = this.count()
    if (value % 2 === 0) return value / 2
    const number = this.#view.getFloat64(this.#at)
    this.#at += 8
    return number
  }

  text(): string {
    const length = this.count()
    const text = this.#decoder.decode(this.#bytes.subarray(this.#at, this.#at + length))
    this.#at += length
    return text
  }

  skip(length: number): void {
    this.#at += length
  }
}
