/**
 * Events are signed by Ed25519 as they are written, with a key that is derived from the plane's secret and is nowhere in its storage. A signature is
 * `<id of the key>.<base64url>`.
 */

/** What is signed: bound to the log, so that no event of another one passes for it. */
export const toSignedText = (log: string, hash: string): string => `atoll audit signature v1\n${log}\n${hash}`

const KEY_ID_CHARS = 16

/** `publicKey` in base64url; `sha256Hex` is the runtime's own. */
export const toAuditKeyId = (publicKey: string, sha256Hex: (text: string) => string): string =>
  sha256Hex(`atoll audit key\n${publicKey}`).slice(0, KEY_ID_CHARS)

export const auditKeyShape = /^[A-Za-z0-9_-]{43}$/

export const parseAuditSignature = (
  text: string,
): { readonly keyId: string; readonly signature: string } | undefined => {
  const [, keyId, signature] = /^([0-9a-f]{16})\.([A-Za-z0-9_-]{86})$/.exec(text) ?? []
  return keyId === undefined || signature === undefined ? undefined : { keyId, signature }
}

/** An event of this action tells which key signs from there on (`key`), and which one did before (`previous`). */
export const AUDIT_KEY_ACTION = 'audit.key'
