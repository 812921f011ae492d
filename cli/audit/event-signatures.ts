import { createPublicKey, verify } from 'node:crypto'
import {
  AUDIT_KEY_ACTION,
  auditKeyShape,
  parseAuditSignature,
  toAuditKeyId,
  toSignedText,
} from '#api/audit-signature.ts'
import type { AuditEvent } from '#api/schemas/audit.ts'

export type SignatureFinding =
  /** It has none, though one before it has. */
  | { readonly kind: 'unsigned'; readonly sequence: number }
  | { readonly kind: 'wrong-signature'; readonly sequence: number }
  /** By a key that nobody vouches for. */
  | { readonly kind: 'unknown-key'; readonly sequence: number }

interface Waiting {
  readonly sequence: number
  readonly hash: string
  readonly keyId: string
  readonly signature: string
  /** What it vouches for, if it does. */
  readonly keys: readonly string[]
}

/**
 * Verifies the signatures of a log's events, oldest first. Keys are vouched for by events: the one that begins to sign names the one before it, and is
 * believed when it is itself signed by a key that is known.
 */
export class EventSignatures {
  readonly #log: string
  readonly #sha256Hex: (text: string) => string
  readonly #keys = new Map<string, string>()
  readonly #waiting: Waiting[] = []
  /** The first event that is signed; null = none is. */
  first: number | null = null
  signed = 0

  constructor(log: string, keys: readonly string[], sha256Hex: (text: string) => string) {
    this.#log = log
    this.#sha256Hex = sha256Hex
    for (const key of keys) this.#learn(key)
  }

  take(event: AuditEvent): SignatureFinding | undefined {
    const sequence = Number(event.id)
    if (event.signature === undefined) return this.first === null ? undefined : { kind: 'unsigned', sequence }
    this.first ??= sequence
    const parsed = parseAuditSignature(event.signature)
    if (!parsed) return { kind: 'wrong-signature', sequence }
    const keys =
      event.action === AUDIT_KEY_ACTION ? [event.detail['key'], event.detail['previous']].map((key) => String(key)) : []
    return this.#judge({ ...parsed, sequence, hash: event.hash ?? '', keys }, true)
  }

  /** After the last event: those whose keys were not known when they came. */
  end(): SignatureFinding[] {
    const findings = this.#waiting.toReversed().flatMap((each) => this.#judge(each, false) ?? [])
    return findings.toReversed()
  }

  #judge(event: Waiting, mayWait: boolean): SignatureFinding | undefined {
    const key = this.#keys.get(event.keyId)
    if (key === undefined) {
      if (!mayWait) return { kind: 'unknown-key', sequence: event.sequence }
      this.#waiting.push(event)
      return undefined
    }
    if (!isSignedBy(key, toSignedText(this.#log, event.hash), event.signature))
      return { kind: 'wrong-signature', sequence: event.sequence }
    this.signed += 1
    for (const vouchedFor of event.keys) this.#learn(vouchedFor)
    return undefined
  }

  #learn(key: string): void {
    if (auditKeyShape.test(key)) this.#keys.set(toAuditKeyId(key, this.#sha256Hex), key)
  }
}

const isSignedBy = (publicKey: string, text: string, signature: string): boolean => {
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' })
    return verify(null, Buffer.from(text), key, Buffer.from(signature, 'base64url'))
  } catch {
    return false
  }
}
