import { fetchBytes, FetchError, type Fetching } from '#agent/outside/fetch-bytes.ts'

export interface FetchedDocument {
  readonly text: string
  /** What "cache-control" says of how long it holds. */
  readonly maxAgeSeconds: number | undefined
}

const maxBytes = 1024 * 1024
const headers = { accept: 'application/jwk-set+json, application/json' }

/** GETs a document from a place that is allowed; redirects are not followed. Throws an error whose message is for people. */
export const fetchDocument = async (
  url: URL,
  timeoutMilliseconds: number,
  fetching: Fetching,
): Promise<FetchedDocument> => {
  const {
    status,
    headers: answered,
    body,
  } = await fetchBytes(url, { timeoutMilliseconds, maxBytes, headers }, fetching)
  if (status >= 300 && status < 400)
    throw new FetchError(`redirects (${status}), which is not followed: name the place itself`)
  if (status !== 200) throw new FetchError(`answered ${status}`)
  return { text: body.toString('utf8'), maxAgeSeconds: toMaxAge(answered['cache-control']) }
}

const toMaxAge = (cacheControl: string | undefined): number | undefined => {
  const match = /(?:^|[,\s])max-age="?(\d{1,9})/i.exec(cacheControl ?? '')
  return match && !/no-cache|no-store/i.test(cacheControl ?? '') ? Number(match[1]) : undefined
}
