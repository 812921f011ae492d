import type { EventSigner } from '../audit/event-signer.ts'
import type { MeshKms } from '../ca/kms/kms.ts'

/**
 * What the functions of this folder work with: the object's SQLite, a clock and a source of random bytes. They run inside
 * a transaction that the caller opened, so that each write of the object is one transaction, whatever it is made of.
 */
export interface MeshContext {
  readonly sql: SqlStorage
  readonly transaction: <T>(body: () => T) => T
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly random: (bytes: number) => Uint8Array<ArrayBuffer>
  /** A KMS for keys of roots; undefined = the plane has none. Throws when it is not set up as it has to be. */
  readonly kms?: () => MeshKms | undefined
  /** Signs events of the audit log; undefined = the plane has no secret. */
  readonly signer?: () => EventSigner | undefined
}

/** Bound values may be 2 MB long; rows go in as JSON of at most this many characters at a time. */
const BULK_CHARS = 256 * 1024

/**
 * Runs a statement over many rows in few queries: the statement reads them by `json_each(?1)`, further bindings follow from ?2.
 * Answers the rows that the statements returned.
 */
export const runBulk = <Row extends Record<string, SqlStorageValue>>(
  sql: SqlStorage,
  statement: string,
  rows: Iterable<unknown>,
  ...bindings: readonly SqlStorageValue[]
): Row[] => {
  const returned: Row[] = []
  let slice: string[] = []
  let chars = 0
  const flush = () => {
    if (slice.length > 0) returned.push(...sql.exec<Row>(statement, `[${slice.join(',')}]`, ...bindings))
    slice = []
    chars = 0
  }
  for (const row of rows) {
    const text = JSON.stringify(row)
    if (chars + text.length > BULK_CHARS) flush()
    slice.push(text)
    chars += text.length
  }
  flush()
  return returned
}

/** The first row, or undefined where `cursor.one()` would throw. */
export const firstRow = <Row extends Record<string, SqlStorageValue>>(cursor: SqlStorageCursor<Row>): Row | undefined =>
  cursor.next().value
