import type { Mesh } from './mesh/mesh.ts'
import type { TelemetryStore } from './telemetry/store.ts'

declare global {
  namespace Cloudflare {
    /** The bindings of wrangler.toml. Numbers are texts there. */
    interface Env {
      readonly MESH: DurableObjectNamespace<Mesh>
      readonly DB: D1Database
      readonly EXPORTS: R2Bucket
      readonly TELEMETRY_STORE: DurableObjectNamespace<TelemetryStore>
      /** The archive of access logs and spans: `<org>/<mesh>/<cluster>/<signal>/<day>/…`. */
      readonly TELEMETRY: R2Bucket
      readonly API_RATE_LIMIT: RateLimit
      readonly OPEN_RATE_LIMIT: RateLimit
      readonly ORG_RATE_LIMIT: RateLimit

      /** Changed by a restore: every mesh then begins a new epoch, and agents ask before they follow. */
      readonly PLANE_GENERATION: string
      /** Between a reporter's going and the question whether others still reach its cluster. */
      readonly LEASE_GRACE_SECONDS: string
      readonly LEASE_WITHDRAW_SECONDS: string
      readonly TICK_SECONDS: string
      /** The header in which the platform says who sends a request, and which nobody else can set; empty = there is none. */
      readonly CLIENT_ADDRESS_HEADER: string
      /** `public`: identity providers have a public name. `loopback`: also this machine may be one, for development. */
      readonly SIGN_IN_ISSUERS: string

      /** Secret: 32 bytes in base64, from which the key-encryption keys of the orgs and the key of ingest tokens are derived. */
      readonly ATOLL_KEK?: string
      /** Secret: what ATOLL_KEK was before, until nothing is sealed with it any more (docs/runbooks/rotate-the-key-encryption-key.md). */
      readonly ATOLL_KEK_PREVIOUS?: string
      /** Secret, JSON: a KMS that keeps the keys of roots (docs/trust.md). Absent: all are the plane's. */
      readonly ATOLL_KMS?: string
      /** Secret: lower-case hex SHA-256 of the set-up token. Absent: the plane can't be set up. */
      readonly ATOLL_SETUP_TOKEN_HASH?: string
    }
  }
}
