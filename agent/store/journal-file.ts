import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { seal, sealOverheadBytes, unseal } from './seal.ts'
import type { SealingKey } from './sealing-key.ts'

const formatVersion = 1
const lengthBytes = 4
const maxFrameBytes = 64 * 1024 * 1024

/** What a frame's text is: the last of its step, followed by more of it, or nothing that is understood. */
export type ReadFrame = (text: string) => 'last' | 'more' | 'bad'

/**
 * A file of sealed frames, each `length (4 bytes, big endian), sealed text`. A frame is bound to its file's generation (or name) and to
 * its place: frames that were cut out, doubled or moved do not open.
 */
export class JournalFile {
  readonly #descriptor: number
  readonly #key: SealingKey
  readonly #generation: number | string
  #frames = 0
  #bytes = 0

  private constructor(descriptor: number, key: SealingKey, generation: number | string) {
    this.#descriptor = descriptor
    this.#key = key
    this.#generation = generation
  }

  static create(path: string, key: SealingKey, generation: number | string): JournalFile {
    return new JournalFile(openSync(path, 'w', 0o600), key, generation)
  }

  /**
   * Opens a file and reads its frames up to the first that is torn, damaged or not understood. What follows the last whole step
   * is cut off, so that new ones can be appended. Without a whole step the file is left as it is: nothing can be appended to it, and a newer
   * agent, or another key, may read it.
   */
  static recover(
    path: string,
    key: SealingKey,
    generation: number | string,
    read: ReadFrame,
  ): { file: JournalFile; damaged: boolean } {
    const file = new JournalFile(openSync(path, 'r+'), key, generation)
    const { size } = fstatSync(file.#descriptor)
    let whole = { frames: 0, bytes: 0 }
    for (let frame = file.#readFrame(size, read); frame !== 'bad'; frame = file.#readFrame(size, read))
      if (frame === 'last') whole = { frames: file.#frames, bytes: file.#bytes }
    file.#frames = whole.frames
    file.#bytes = whole.bytes
    if (whole.frames > 0 && whole.bytes < size) ftruncateSync(file.#descriptor, whole.bytes)
    return { file, damaged: whole.bytes < size }
  }

  get bytes(): number {
    return this.#bytes
  }

  get descriptor(): number {
    return this.#descriptor
  }

  /** Safe against the end of the process when it returns, against a power cut after the next sync. Throws when the disk is full. */
  append(text: string): void {
    const sealed = seal(this.#key, this.#purpose, Buffer.from(text))
    const frame = Buffer.allocUnsafe(lengthBytes + sealed.length)
    frame.writeUInt32BE(sealed.length)
    sealed.copy(frame, lengthBytes)
    try {
      for (let written = 0; written < frame.length;)
        written += writeSync(this.#descriptor, frame, written, frame.length - written, this.#bytes + written)
    } catch (error) {
      ftruncateSync(this.#descriptor, this.#bytes)
      throw error
    }
    this.#frames += 1
    this.#bytes += frame.length
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  get #purpose(): string {
    return `atoll-journal/${formatVersion}/${this.#generation}/${this.#frames}`
  }

  #readFrame(size: number, read: ReadFrame): 'last' | 'more' | 'bad' {
    const head = Buffer.alloc(lengthBytes)
    if (size - this.#bytes < lengthBytes) return 'bad'
    readSync(this.#descriptor, head, 0, lengthBytes, this.#bytes)
    const length = head.readUInt32BE()
    if (length < sealOverheadBytes || length > maxFrameBytes || this.#bytes + lengthBytes + length > size) return 'bad'
    const sealed = Buffer.allocUnsafe(length)
    readSync(this.#descriptor, sealed, 0, length, this.#bytes + lengthBytes)
    const plain = unseal(this.#key, this.#purpose, sealed)
    const frame = plain === undefined ? 'bad' : read(plain.toString('utf8'))
    this.#frames += 1
    this.#bytes += lengthBytes + length
    return frame
  }
}
