import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { toAuditKeyId, toSignedText } from '#api/audit-signature.ts'
import { toBase64Url, toUtf8 } from '../encode-bytes.ts'
import { hashNow } from '../hash-now.ts'
import { deriveBits, readPlaneSecret } from '../seal.ts'
import type { PlaneSecret } from '../seal.ts'

/** Signs events at once, in the transaction that writes them. Who can write to the storage and has not the plane's secret can't. */
export interface EventSigner {
  readonly keyId: string
  /** Base64url. */
  readonly publicKey: string
  readonly sign: (log: string, hash: string) => string
}

/** RFC 8410 §7: a private key of Ed25519 in PKCS#8, before its 32 bytes. */
const PKCS8_HEAD = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20]

/** @throws Error when the secret is missing or is none. */
export const deriveEventSigner = async (name: PlaneSecret, secret: string | undefined): Promise<EventSigner> => {
  const seed = await deriveBits(readPlaneSecret(name, secret), { purpose: 'atoll audit signature' }, 32)
  const der = new Uint8Array([...PKCS8_HEAD, ...seed])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  const { x: publicKey = '' } = createPublicKey(key).export({ format: 'jwk' })
  const keyId = toAuditKeyId(publicKey, hashNow)
  return {
    keyId,
    publicKey,
    sign: (log, hash) => `${keyId}.${toBase64Url(new Uint8Array(sign(null, toUtf8(toSignedText(log, hash)), key)))}`,
  }
}

/** The plane's signers, the one that signs now first. None where the plane has no secret: then nothing is signed. */
export const deriveEventSigners = async ({
  ATOLL_KEK,
  ATOLL_KEK_PREVIOUS,
}: Pick<Cloudflare.Env, 'ATOLL_KEK' | 'ATOLL_KEK_PREVIOUS'>): Promise<readonly EventSigner[]> => {
  try {
    return [
      await deriveEventSigner('ATOLL_KEK', ATOLL_KEK),
      ...(ATOLL_KEK_PREVIOUS === undefined ? [] : [await deriveEventSigner('ATOLL_KEK_PREVIOUS', ATOLL_KEK_PREVIOUS)]),
    ]
  } catch {
    // It is told where a key is needed.
    return []
  }
}
