export type RootOrigin = 'plane' | 'uploaded' | 'requested'

export interface RootRow extends Record<string, SqlStorageValue> {
  keyId: string
  serial: string
  sealedKey: string
  pem: string
  createdAt: number
  notAfter: number
  /** The one that signs, but for what a rotation says otherwise. */
  signing: number
  /** 0: nothing that it has signed is trusted any more. A rotation that is rolled back may need it again. */
  trusted: number
  /** Who made it: `uploaded` with its key, `requested` for a key of the plane's. The plane makes no successor of either by itself. */
  origin: RootOrigin
  /** The key's name in a KMS that keeps it; null: it is sealed here. */
  kmsKey: string | null
  /** JSON: PEM of those above it, none of which is trusted. */
  above: string
}

/** The roots, oldest first. */
export const listRoots = (sql: SqlStorage): RootRow[] =>
  sql
    .exec<RootRow>(
      `SELECT key_id AS keyId, serial, sealed_key AS sealedKey, pem, created_at AS createdAt, not_after AS notAfter, signing, trusted, origin, above, kms_key AS kmsKey
       FROM roots ORDER BY created_at, signing DESC`,
    )
    .toArray()

export const listRootPems = (sql: SqlStorage): string[] =>
  listRoots(sql).flatMap(({ pem, trusted }) => (trusted === 1 ? [pem] : []))
