import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, open, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** POSIX.1-1988 ustar, as every `tar` reads it: regular files with relative names. */
const BLOCK = 512
const MAX_SIZE = 8 ** 11 - 1

const toOctal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, '0')}\0`

/** A long name lies in two fields, cut at a slash: at most 155 bytes before it and 100 after. */
const splitName = (path: string): { prefix: string; name: string } => {
  const cut = Buffer.byteLength(path) <= 100 ? -1 : path.indexOf('/', path.length - 101)
  const [prefix, name] = cut === -1 ? ['', path] : [path.slice(0, cut), path.slice(cut + 1)]
  if (Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155) return { prefix, name }
  throw new Error(`${path} is too long a name for the archive`)
}

const buildHeader = (path: string, size: number): Buffer => {
  if (size > MAX_SIZE) throw new Error(`${path} is larger than 8 GiB`)
  const { prefix, name } = splitName(path)
  const header = Buffer.alloc(BLOCK)
  header.write(name, 0)
  header.write(prefix, 345)
  header.write(toOctal(0o600, 8), 100)
  header.write(toOctal(0, 8), 108)
  header.write(toOctal(0, 8), 116)
  header.write(toOctal(size, 12), 124)
  header.write(toOctal(0, 12), 136)
  header.write(' '.repeat(8), 148)
  header.write('0', 156)
  header.write('ustar\u000000', 257)
  header.write(
    toOctal(
      header.reduce((sum, byte) => sum + byte, 0),
      7,
    ),
    148,
  )
  return header
}

const paddingOf = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK

/** Writes files of a folder into an archive, readable by the owner alone, in this order. */
export const writeTar = async (archive: string, folder: string, names: readonly string[]): Promise<void> => {
  const output = createWriteStream(archive, { flags: 'wx', mode: 0o600 })
  await pipeline(async function* () {
    for (const name of names) {
      const path = join(folder, name)
      const { size } = await stat(path)
      yield buildHeader(name, size)
      if (size > 0) yield* createReadStream(path, { end: size - 1 }) as AsyncIterable<Buffer>
      yield Buffer.alloc(paddingOf(size))
    }
    yield Buffer.alloc(2 * BLOCK)
  }, output)
}

/** Unpacks an archive of `writeTar` into a folder. Throws on anything else, and on names that lead out of the folder. */
export const readTar = async (archive: string, folder: string): Promise<string[]> => {
  const names: string[] = []
  const input = await open(archive, 'r')
  try {
    for (let position = 0; ;) {
      const header = await readExactly(input, position, BLOCK)
      if (header.every((byte) => byte === 0)) return names
      const { name, size } = parseHeader(header)
      position += BLOCK
      const target = join(folder, name)
      await mkdir(dirname(target), { recursive: true, mode: 0o700 })
      const content = size === 0 ? [] : createReadStream(archive, { start: position, end: position + size - 1 })
      await pipeline(content, createWriteStream(target, { flags: 'wx', mode: 0o600 }))
      position += size + paddingOf(size)
      names.push(name)
    }
  } finally {
    await input.close()
  }
}

const readExactly = async (input: FileHandle, position: number, length: number): Promise<Buffer> => {
  const { bytesRead, buffer } = await input.read(Buffer.alloc(length), 0, length, position)
  if (bytesRead !== length) throw new Error('the archive is cut off')
  return buffer
}

const parseHeader = (header: Buffer): { name: string; size: number } => {
  const text = (start: number, length: number) => header.toString('utf8', start, start + length).replace(/\0.*$/s, '')
  const name = [text(345, 155), text(0, 100)].filter((part) => part !== '').join('/')
  const size = Number.parseInt(text(124, 12), 8)
  if (text(257, 5) !== 'ustar' || text(156, 1) !== '0' || !Number.isSafeInteger(size))
    throw new Error('it is not an archive of a plane')
  if (!/^[\w.-]+(\/[\w.-]+)*$/.test(name) || name.split('/').includes('..'))
    throw new Error(`the archive holds a bad name: ${name}`)
  return { name, size }
}
