import type { Mesh } from './mesh/mesh.ts'

declare global {
  namespace Cloudflare {
    /** The bindings of wrangler.toml. Numbers are texts there. */
    interface Env {
      readonly MESH: DurableObjectNamespace<Mesh>
      readonly DB: D1Database
      readonly EXPORTS: R2Bucket
      readonly API_RATE_LIMIT: RateLimit
      readonly OPEN_RATE_LIMIT: RateLimit

      /** Changed by a restore: every mesh then begins a new epoch, and agents ask before they follow. */
      readonly PLANE_GENERATION: string
      /** Between a reporter's going and the question whether others still reach its cluster. */
      readonly LEASE_GRACE_SECONDS: string
      readonly LEASE_WITHDRAW_SECONDS: string
      readonly TICK_SECONDS: string

      /** Secret: 32 bytes in base64, from which the key-encryption keys of the orgs are derived. */
      readonly ATOLL_KEK?: string
      /** Secret: lower-case hex SHA-256 of the set-up token. Absent: the plane can't be set up. */
      readonly ATOLL_SETUP_TOKEN_HASH?: string
    }
  }
}
