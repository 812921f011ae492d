import type { HttpFetch } from '#api/client.ts'

/** The longest that the plane lets a request wait is 25 s (a long poll). */
const TIME_LIMIT_MS = 60_000

/** `fetch` with a time limit. Redirects are refused: the token is for the plane alone. */
export const fetchPlane: HttpFetch = (url, init) =>
  fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(TIME_LIMIT_MS) })
