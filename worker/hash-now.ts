import { createHash } from 'node:crypto'

/** SHA-256 in lower-case hex, at once: WebCrypto's has to be waited for, and nothing waits in a transaction of an object. */
export const hashNow = (text: string): string => createHash('sha256').update(text).digest('hex')
