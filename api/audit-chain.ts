import { toCanonicalJson } from '#mesh/canonical-json.ts'
import type { AuditEvent } from './schemas/audit.ts'

/** Of the encoding that is hashed. A later one hashes otherwise, and says so in front of the hash. */
const VERSION = 'v1'

/** What the first event of a log follows. */
export const AUDIT_GENESIS = `${VERSION}.${'0'.repeat(64)}`

/** Whether this code knows how such a hash was made. */
export const isKnownAuditHash = (hash: string): boolean => /^v1\.[0-9a-f]{64}$/.test(hash)

/**
 * The hash of an audit event: SHA-256 over its canonical JSON (sorted keys, no spaces), its sequence and the hash of the event
 * before it included. `sha256Hex` is the runtime's own.
 */
export const hashAuditEvent = (event: Omit<AuditEvent, 'hash'>, sha256Hex: (text: string) => string): string => {
  const { id, at, actor, client, action, target, cluster, outcome, detail, changes, requestId, previousHash } = event
  const covered = {
    id,
    at,
    action,
    target,
    cluster,
    outcome,
    detail,
    requestId,
    actor: { kind: actor.kind, id: actor.id, name: actor.name },
    client: client ?? null,
    changes: changes ?? [],
    previousHash: previousHash ?? '',
  }
  return `${VERSION}.${sha256Hex(`atoll audit ${VERSION}\n${toCanonicalJson(covered)}`)}`
}
