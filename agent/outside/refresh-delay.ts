const minuteMilliseconds = 60_000
/** As istiod's: what an issuer takes back is believed for no longer. */
const longestMilliseconds = 20 * minuteMilliseconds
const shortestMilliseconds = 5 * minuteMilliseconds
const firstRetryMilliseconds = 1000
const longestRetryMilliseconds = 5 * minuteMilliseconds

/** How long a set that was fetched holds; `random` is in [0, 1): issuers are not asked by all agents at once. */
export const toRefreshMilliseconds = (maxAgeSeconds: number | undefined, random: number): number => {
  const wished = maxAgeSeconds ? maxAgeSeconds * 1000 : longestMilliseconds
  const bounded = Math.min(Math.max(wished, shortestMilliseconds), longestMilliseconds)
  return Math.round(bounded * (0.9 + 0.1 * random))
}

/** How long to wait after so many failures in a row. */
export const toRetryMilliseconds = (failures: number, random: number): number => {
  const ceiling = Math.min(longestRetryMilliseconds, firstRetryMilliseconds * 2 ** Math.min(failures - 1, 16))
  return Math.round(ceiling * (0.5 + 0.5 * random))
}
