/** Bytes to text and back, for the runtimes that do not have `Uint8Array.prototype.toBase64` yet. */

type Bytes = Uint8Array<ArrayBuffer>

const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export const toHex = (bytes: Uint8Array): string => {
  let text = ''
  for (const byte of bytes) text += hexOfByte[byte] ?? ''
  return text
}

export const toBase64 = (bytes: Uint8Array): string =>
  btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))

export const toBase64Url = (bytes: Uint8Array): string =>
  toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')

/** Reads base64 and base64url alike; undefined when the text is neither. */
export const fromBase64 = (text: string): Bytes | undefined => {
  try {
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
  } catch {
    return undefined
  }
}

export const toUtf8 = (text: string): Bytes => new Uint8Array(new TextEncoder().encode(text))

/** How many bytes a text takes as UTF-8: what the platform's limits count. */
export const utf8Length = (text: string): number => toUtf8(text).length
