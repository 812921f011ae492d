import { gzipSync } from 'node:zlib'

/** Files as a zipped archive (ustar). */
export const archive = (files: Readonly<Record<string, Uint8Array>>): Buffer =>
  gzipSync(
    Buffer.concat([...Object.entries(files).map(([name, content]) => toFile(name, content)), Buffer.alloc(1024)]),
  )

const toFile = (name: string, content: Uint8Array): Buffer => {
  const head = Buffer.alloc(512)
  head.write(name, 0)
  head.write(content.length.toString(8).padStart(11, '0'), 124)
  head.write('0', 156)
  head.write('ustar\u000000', 257)
  return Buffer.concat([head, content, Buffer.alloc((512 - (content.length % 512)) % 512)])
}
