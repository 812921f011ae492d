import { hashAuditEvent } from '#api/audit-chain.ts'
import type { AuditEvent, AuditPlace } from '#api/schemas/audit.ts'
import { hashNow } from '../hash-now.ts'

/** An event that has its place in the chain. */
export type ChainedEvent = AuditEvent & { readonly previousHash: string; readonly hash: string }

/** Puts an event behind the one that is the newest so far. */
export const chainEvent = (
  head: AuditPlace,
  event: Omit<AuditEvent, 'id' | 'previousHash' | 'hash'>,
): { readonly event: ChainedEvent; readonly head: AuditPlace } => {
  const sequence = head.sequence + 1
  const unsigned = { ...event, id: String(sequence), previousHash: head.hash }
  const hash = hashAuditEvent(unsigned, hashNow)
  return { event: { ...unsigned, hash }, head: { sequence, hash } }
}
