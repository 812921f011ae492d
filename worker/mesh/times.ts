import { z } from 'zod'
import type { LeaseTimes } from './leases.ts'

const seconds = z.coerce.number().positive()

const variables = z.object({
  LEASE_GRACE_SECONDS: seconds,
  LEASE_WITHDRAW_SECONDS: seconds,
  TICK_SECONDS: seconds,
})

/** The times of leases and ticks out of the Worker's variables. Throws when one is not a positive number. */
export const readLeaseTimes = (env: Cloudflare.Env): LeaseTimes => {
  const parsed = variables.parse(env)
  return {
    graceMs: parsed.LEASE_GRACE_SECONDS * 1000,
    withdrawAfterMs: parsed.LEASE_WITHDRAW_SECONDS * 1000,
    tickMs: parsed.TICK_SECONDS * 1000,
  }
}
