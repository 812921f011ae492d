import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { FetchError } from '#agent/outside/fetch-bytes.ts'
import { maxModuleBytes } from './module-limits.ts'

const unzip = promisify(gunzip)

const magic = Buffer.from([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00])
const blockBytes = 512
/** A tar's own, beside what is in it. */
const archiveBytes = 1024 * 1024

/** The module that is in what was published: by itself, zipped, or a file of an archive; by this name, else the first. Throws an error for people. */
export const unpackModule = async (published: Uint8Array, fileName?: string): Promise<Buffer> => {
  let bytes: Buffer = Buffer.from(published.buffer, published.byteOffset, published.byteLength)
  if (isZipped(bytes)) bytes = await unzipBounded(bytes)
  if (isArchive(bytes)) bytes = findFile(bytes, fileName)
  if (!bytes.subarray(0, magic.length).equals(magic)) throw new FetchError('is no WebAssembly module')
  if (bytes.length > maxModuleBytes) throw tooLarge()
  return bytes
}

const isZipped = (bytes: Buffer): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b
const isArchive = (bytes: Buffer): boolean => bytes.toString('latin1', 257, 262) === 'ustar'

const tooLarge = (): FetchError => new FetchError(`is a module of more than ${maxModuleBytes / 1024 / 1024} MiB`)

const unzipBounded = async (bytes: Buffer): Promise<Buffer> => {
  try {
    return await unzip(bytes, { maxOutputLength: maxModuleBytes + archiveBytes })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge()
    throw new FetchError('is damaged: it can not be unzipped', { cause: error })
  }
}

/** POSIX.1-2017, pax: ustar interchange format. */
const findFile = (archive: Buffer, fileName: string | undefined): Buffer => {
  for (let at = 0; at + blockBytes <= archive.length;) {
    const head = archive.subarray(at, at + blockBytes)
    if (head.every((byte) => byte === 0)) break
    const name = toText(head, 0, 100)
    const size = Number.parseInt(toText(head, 124, 12).trim(), 8)
    const start = at + blockBytes
    if (!Number.isInteger(size) || size < 0 || start + size > archive.length)
      throw new FetchError('is damaged: its archive ends too soon')
    const isFile = head[156] === 0 || head[156] === 0x30
    if (isFile && (fileName === undefined || name.split('/').at(-1) === fileName))
      return archive.subarray(start, start + size)
    at = start + Math.ceil(size / blockBytes) * blockBytes
  }
  throw new FetchError(`has no ${fileName ?? 'file'} in its archive`)
}

const toText = (head: Buffer, start: number, length: number): string => {
  const text = head.toString('latin1', start, start + length)
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}
