import { request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
import type { HttpAnswer, HttpFetch } from '#api/client.ts'

/** The longest that the plane lets a request wait is 25 s (a long poll). */
const TIME_LIMIT_MS = 60_000
/** Of a question whose answer is at hand: nobody waits a minute for an address that leads nowhere. */
const PROBE_LIMIT_MS = 10_000

/** `fetch` with a time limit: for the whole or, of what streams, for silence. Redirects are refused: the token is for the plane alone. */
export const fetchPlane: HttpFetch = async (url, { streams, ...init }) => {
  if (!streams) return fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(TIME_LIMIT_MS) })
  const controller = new AbortController()
  const timer = setTimeout(
    () => controller.abort(new Error(`it was silent for ${TIME_LIMIT_MS / 1000}s`)),
    TIME_LIMIT_MS,
  )
  timer.unref()
  const response = await fetch(url, { ...init, redirect: 'error', signal: controller.signal })
  return {
    status: response.status,
    headers: response.headers,
    text: () => response.text(),
    async *chunks() {
      const decoder = new TextDecoder()
      for await (const bytes of response.body ?? []) {
        timer.refresh()
        yield decoder.decode(bytes, { stream: true })
      }
    },
  }
}

/** GET over TLS without a token, where these authorities (PEM) alone are believed, whatever NODE_EXTRA_CA_CERTS adds for `fetch`. */
export type ProbePlane = (url: string, authorities: readonly string[]) => Promise<HttpAnswer>

export const probePlane: ProbePlane = (url, authorities) =>
  new Promise((resolve, reject) => {
    const options = { ca: [...authorities], signal: AbortSignal.timeout(PROBE_LIMIT_MS) }
    const request = httpsRequest(url, options, (response) => {
      const { statusCode: status = 0, headers } = response
      const toText = (value: string | readonly string[] | undefined) =>
        value === undefined ? null : [value].flat().join(', ')
      text(response).then(
        (body) =>
          resolve({ status, headers: { get: (name) => toText(headers[name]) }, text: () => Promise.resolve(body) }),
        reject,
      )
    })
    request.on('error', reject)
    request.end()
  })
