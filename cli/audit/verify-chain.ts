import { hashAuditEvent, isKnownAuditHash } from '#api/audit-chain.ts'
import type { AuditChain, AuditEvent, AuditPlace } from '#api/schemas/audit.ts'
import type { EventSignatures, SignatureFinding } from './event-signatures.ts'

/** Findings that are kept; more are counted. */
const MAX_FINDINGS = 20

export type ChainFinding =
  /** What the event says is not what its hash was made of. */
  | { readonly kind: 'changed'; readonly sequence: number }
  /** It was another event when the one after it was written. */
  | { readonly kind: 'replaced'; readonly sequence: number }
  | { readonly kind: 'missing'; readonly from: number; readonly to: number }
  /** It stands behind one that comes after it, or is there twice. */
  | { readonly kind: 'out-of-order'; readonly sequence: number }
  /** It stands behind the one that is said to be the newest. */
  | { readonly kind: 'behind-head'; readonly sequence: number }
  /** It is not chained, or in a way that this version does not know. */
  | { readonly kind: 'unknown-hash'; readonly sequence: number }
  /** The place where the chain is said to begin, or to end, has another hash. */
  | { readonly kind: 'other-anchor' | 'other-head'; readonly sequence: number }
  /** The place that somebody kept is not in the chain. */
  | { readonly kind: 'kept-head-differs'; readonly sequence: number | null }
  /** … and can't be: it is of before the oldest event that is there. */
  | { readonly kind: 'kept-head-forgotten'; readonly sequence: number }
  | SignatureFinding

/** A place that somebody kept; without a sequence it is looked for by its hash. */
export interface KeptHead {
  readonly sequence: number | null
  readonly hash: string
}

export interface ChainVerdict {
  readonly events: number
  readonly first: number | null
  /** The newest event: what to keep for the next time. Null when there is none. */
  readonly head: AuditPlace | null
  /** How many events are signed by a key that is known, and the first that has a signature. */
  readonly signed: number
  readonly firstSigned: number | null
  readonly findings: readonly ChainFinding[]
  readonly furtherFindings: number
}

/**
 * Goes along a chain of audit events, oldest first, and recomputes every hash: of what the plane says nothing is believed but the events
 * themselves. Who can write to the plane's storage can make a whole new chain: signatures tell it from the old one, and a head that was kept elsewhere.
 */
export class ChainVerifier {
  readonly #sha256Hex: (text: string) => string
  /** The newest event when the reading began. */
  readonly #head: AuditPlace
  readonly #kept: KeptHead | undefined
  readonly #signatures: EventSignatures | undefined
  readonly #findings: ChainFinding[] = []
  #furtherFindings = 0
  #events = 0
  #first: { readonly sequence: number; readonly previousHash: string } | undefined
  #last: AuditPlace | undefined
  #isKeptFound = false

  constructor(sha256Hex: (text: string) => string, head: AuditPlace, kept?: KeptHead, signatures?: EventSignatures) {
    this.#signatures = signatures
    this.#sha256Hex = sha256Hex
    this.#head = head
    this.#kept = kept
  }

  take(event: AuditEvent): void {
    const sequence = Number(event.id)
    const { hash = '', previousHash = '' } = event
    const before = this.#last
    this.#events += 1
    this.#first ??= { sequence, previousHash }
    if (before && sequence <= before.sequence) this.#find({ kind: 'out-of-order', sequence })
    else if (before && sequence > before.sequence + 1)
      this.#find({ kind: 'missing', from: before.sequence + 1, to: sequence - 1 })
    else if (before && previousHash !== before.hash) this.#find({ kind: 'replaced', sequence: before.sequence })
    if (!isKnownAuditHash(hash)) this.#find({ kind: 'unknown-hash', sequence })
    else if (hashAuditEvent(event, this.#sha256Hex) !== hash) this.#find({ kind: 'changed', sequence })
    if (sequence === this.#head.sequence && hash !== this.#head.hash) this.#find({ kind: 'other-head', sequence })
    if (this.#isKept({ sequence, hash })) this.#isKeptFound = true
    const ofSignature = this.#signatures?.take(event)
    if (ofSignature) this.#find(ofSignature)
    if (!before || sequence > before.sequence) this.#last = { sequence, hash }
  }

  /** After the last event. `chain`: the ends as they are said to be after the reading. */
  end({ anchor, head }: AuditChain): ChainVerdict {
    const last = this.#last?.sequence ?? anchor.sequence
    if (this.#first && this.#first.sequence > anchor.sequence + 1)
      this.#find({ kind: 'missing', from: anchor.sequence + 1, to: this.#first.sequence - 1 })
    else if (this.#first?.sequence === anchor.sequence + 1 && this.#first.previousHash !== anchor.hash)
      this.#find({ kind: 'other-anchor', sequence: anchor.sequence })
    if (last < this.#head.sequence) this.#find({ kind: 'missing', from: last + 1, to: this.#head.sequence })
    if (last > head.sequence) this.#find({ kind: 'behind-head', sequence: head.sequence + 1 })
    if (this.#kept && !this.#isKeptFound && !this.#isKept(anchor)) this.#find(this.#missKept(this.#kept, anchor))
    for (const finding of this.#signatures?.end() ?? []) this.#find(finding)
    return {
      events: this.#events,
      first: this.#first?.sequence ?? null,
      head: this.#last ?? null,
      signed: this.#signatures?.signed ?? 0,
      firstSigned: this.#signatures?.first ?? null,
      findings: this.#findings,
      furtherFindings: this.#furtherFindings,
    }
  }

  #missKept({ sequence }: KeptHead, anchor: AuditPlace): ChainFinding {
    return sequence !== null && sequence < anchor.sequence
      ? { kind: 'kept-head-forgotten', sequence }
      : { kind: 'kept-head-differs', sequence }
  }

  #isKept({ sequence, hash }: AuditPlace): boolean {
    return this.#kept?.hash === hash && (this.#kept.sequence ?? sequence) === sequence
  }

  #find(finding: ChainFinding): void {
    if (this.#findings.length < MAX_FINDINGS) this.#findings.push(finding)
    else this.#furtherFindings += 1
  }
}

/** What was found, for people. */
export const toFindingText = (finding: ChainFinding): string => {
  switch (finding.kind) {
    case 'changed':
      return `event ${finding.sequence} was changed: its hash is not of what it says`
    case 'replaced':
      return `event ${finding.sequence} is not the one that event ${finding.sequence + 1} was written after`
    case 'missing':
      return finding.from === finding.to
        ? `event ${finding.from} is missing`
        : `events ${finding.from} to ${finding.to} are missing`
    case 'out-of-order':
      return `event ${finding.sequence} stands behind a later one, or is there twice`
    case 'behind-head':
      return `event ${finding.sequence} stands behind the one that is said to be the newest`
    case 'unknown-hash':
      return `event ${finding.sequence} has no hash that this version knows`
    case 'other-anchor':
      return `the oldest event does not follow event ${finding.sequence}, which it is said to follow`
    case 'other-head':
      return `event ${finding.sequence} is not the one that was the newest`
    case 'kept-head-differs':
      return finding.sequence === null
        ? 'no event has the hash that you kept: the log was rewritten or cut off, or has forgotten that event'
        : `event ${finding.sequence} is not the one that you kept: the log was rewritten or cut off`
    case 'unsigned':
      return `event ${finding.sequence} is not signed, though one before it is`
    case 'wrong-signature':
      return `event ${finding.sequence} is not what was signed`
    case 'unknown-key':
      return `event ${finding.sequence} is signed with a key that is not the plane's, or is not known any more`
    case 'kept-head-forgotten':
      return `event ${finding.sequence}, which you kept, is older than what the log still has: nothing can be said of it`
  }
}

/** A head as people keep it: `<sequence>:<hash>`, or the hash alone. Undefined when the text is neither. */
export const parseKeptHead = (text: string): KeptHead | undefined => {
  const [, sequence, hash = ''] = /^(?:(\d{1,15}):)?(v\d+\.[0-9a-f]{64})$/.exec(text.trim()) ?? []
  return hash === '' ? undefined : { sequence: sequence === undefined ? null : Number(sequence), hash }
}
