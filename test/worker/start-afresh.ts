import { applyD1Migrations, reset, type D1Migration } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { forgetPlane } from './support/test-plane.ts'

declare global {
  namespace Cloudflare {
    interface Env {
      /** From vitest.config.ts: what `migrations/` holds. */
      TEST_MIGRATIONS: D1Migration[]
    }
  }
}

// Files share one workerd: each begins with nothing stored.
forgetPlane()
await reset()
await applyD1Migrations(env.DB, env.TEST_MIGRATIONS)
