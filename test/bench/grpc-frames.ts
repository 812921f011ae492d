/** A message behind its prefix: not compressed, 4 bytes of length ("Length-Prefixed-Message" of gRPC over HTTP/2). */
export const toGrpcFrame = (message: Uint8Array): Buffer => {
  const frame = Buffer.allocUnsafe(5 + message.byteLength)
  frame[0] = 0
  frame.writeUInt32BE(message.byteLength, 1)
  frame.set(message, 5)
  return frame
}

/** Takes a stream apart into its messages. */
export class GrpcFrames {
  #chunks: Buffer[] = []
  #bytes = 0
  #wanted = 5

  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk)
    this.#bytes += chunk.byteLength
    const messages: Buffer[] = []
    while (this.#bytes >= this.#wanted) {
      const all = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
      const rest = this.#takeMessages(all, messages)
      this.#chunks = rest.byteLength > 0 ? [rest] : []
      this.#bytes = rest.byteLength
    }
    return messages
  }

  /** Returns what is left, and notes how much it takes to go on. */
  #takeMessages(all: Buffer, messages: Buffer[]): Buffer {
    let at = 0
    this.#wanted = 5
    while (at + 5 <= all.byteLength) {
      const end = at + 5 + all.readUInt32BE(at + 1)
      if (end > all.byteLength) {
        this.#wanted = end - at
        break
      }
      messages.push(all.subarray(at + 5, end))
      at = end
    }
    return all.subarray(at)
  }
}
