import { toUtf8 } from '../../encode-bytes.ts'

/** 32 bits (FNV-1a). Not for secrets. */
export const hashText = (text: string): number =>
  toUtf8(text).reduce((sum, byte) => Math.imul(sum ^ byte, 0x01000193) >>> 0, 0x811c9dc5)
