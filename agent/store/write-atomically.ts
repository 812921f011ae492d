import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** Makes a rename or a new name in a directory survive a power cut. */
export const syncDirectory = (directory: string): void => {
  const descriptor = openSync(directory, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Writes a whole file so that a crash at any moment leaves the old content or the new one. Readable by its owner only. */
export const writeFileAtomically = (path: string, content: Uint8Array | string): void => {
  const temporary = `${path}.tmp`
  const descriptor = openSync(temporary, 'w', 0o600)
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content
    for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  renameSync(temporary, path)
  syncDirectory(dirname(path))
}
