/** Requests in a minute, as wrangler.toml has them. */
export const requestLimits = { token: 1_200, org: 6_000, address: 300 } as const
export type RequestLimit = keyof typeof requestLimits
