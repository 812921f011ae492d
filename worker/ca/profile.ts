import { z } from 'zod'

const DAY_MS = 24 * 60 * 60 * 1000

/**
 * What a certificate of each kind is like: data, checked once at start, so that no code path can ask for more. RFC 5280 §4.2.1.9
 * (basic constraints), §4.2.1.10 (name constraints).
 */
const profile = z.object({
  lifetimeMs: z.int().positive(),
  /** How far `notBefore` lies back, for peers whose clock is slow. */
  backdateMs: z.int().nonnegative(),
  pathLength: z.int().min(0).max(1),
})
export type Profile = z.infer<typeof profile>

const BACKDATE_MS = 60 * 60 * 1000

export const rootProfile: Profile = profile.parse({ lifetimeMs: 3650 * DAY_MS, backdateMs: BACKDATE_MS, pathLength: 1 })
export const intermediateProfile: Profile = profile.parse({
  lifetimeMs: 90 * DAY_MS,
  backdateMs: BACKDATE_MS,
  pathLength: 0,
})
/** Its key is not ours to renew: long enough for a migration, and no longer than a year. */
export const issuerProfile: Profile = profile.parse({
  lifetimeMs: 365 * DAY_MS - BACKDATE_MS,
  backdateMs: BACKDATE_MS,
  pathLength: 0,
})
