import { fetchBytes, FetchError, type FetchedBytes, type Fetching, type Wanted } from './fetch-bytes.ts'

/** GETs what is there, wherever that leads. Throws an error whose message is for people. */
export type Get = (url: URL, headers: Wanted['headers'], options: GetOptions) => Promise<FoundBytes>

export interface FoundBytes extends FetchedBytes {
  /** Whether it led to another origin. */
  readonly isElsewhere: boolean
}

export interface GetOptions {
  readonly maxBytes: number
  /** A status beside 200 that is looked at. */
  readonly passes?: number
}

const timeoutMilliseconds = 30_000
const maxRedirects = 5

/** Each place that it is sent to is judged as the first: what is inside can not be reached by a redirect either. Who may ask at one place does not tell another how. */
export const createGet =
  (fetching: Fetching): Get =>
  async (start, headers, { maxBytes, passes }) => {
    let url = start
    for (let hops = 0; ; hops++) {
      const own = url.origin === start.origin ? headers : withoutAuthorization(headers)
      const answer = await fetchBytes(url, { timeoutMilliseconds, maxBytes, headers: own }, fetching)
      const { status, headers: answered } = answer
      if (status === 200 || status === passes) return { ...answer, isElsewhere: url.origin !== start.origin }
      if (status < 300 || status >= 400 || answered.location === undefined) throw new FetchError(`answered ${status}`)
      if (hops === maxRedirects) throw new FetchError(`redirects more than ${maxRedirects} times`)
      const next = URL.parse(answered.location, url.href)
      if (!next) throw new FetchError('redirects to what is no URL')
      const fault = fetching.guard.faultOf(next)
      if (fault !== undefined) throw new FetchError(`redirects to a place that ${fault}`)
      url = next
    }
  }

const withoutAuthorization = ({ authorization: _own, ...headers }: Wanted['headers']): Wanted['headers'] => headers
