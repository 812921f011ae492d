import type { LookupAddress } from 'node:dns'
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { Clock } from '#agent/clock.ts'
import { toHost, type PlaceGuard } from './place-guard.ts'

export interface Fetching {
  readonly guard: PlaceGuard
  readonly clock: Clock
  /** IP addresses of a host name; rejects when it has none. */
  readonly resolve: (hostname: string) => Promise<readonly LookupAddress[]>
  /** PEM: whom servers are verified against; undefined = the public authorities. */
  readonly ca: readonly string[] | undefined
}

export interface FetchedDocument {
  readonly text: string
  /** What "cache-control" says of how long it holds. */
  readonly maxAgeSeconds: number | undefined
}

const maxBytes = 1024 * 1024

/** What people are told: nothing of what was answered, and no address. */
class FetchError extends Error {}

/**
 * GETs a document from a place that is allowed. The address that is connected to is what is judged, so that a name can't become another
 * one in between; there are no redirects, no proxies, and no connection outlives its request. Throws an error whose message is for people.
 */
export const fetchDocument = async (
  url: URL,
  timeoutMilliseconds: number,
  fetching: Fetching,
): Promise<FetchedDocument> => {
  const fault = fetching.guard.faultOf(url)
  if (fault !== undefined) throw new FetchError(fault)
  const abort = new AbortController()
  const cancel = fetching.clock.after(timeoutMilliseconds, () =>
    abort.abort(new FetchError(`did not answer within ${timeoutMilliseconds / 1000} s`)),
  )
  try {
    const addresses = await Promise.race([findAddresses(url, fetching), rejectOn(abort.signal)])
    return await get(url, addresses, { ca: fetching.ca, signal: abort.signal })
  } catch (error) {
    throw abort.signal.aborted ? abort.signal.reason : toFetchError(error)
  } finally {
    cancel()
  }
}

/** Those of its addresses that are allowed. */
const findAddresses = async (
  url: URL,
  { guard, resolve }: Fetching,
): Promise<readonly [LookupAddress, ...LookupAddress[]]> => {
  const host = toHost(url)
  const family = isIP(host)
  const found = family === 0 ? await resolve(host) : [{ address: host, family }]
  const [first, ...others] = found.filter(({ address }) => guard.allows(url, address))
  if (!first) throw new FetchError('is at an address that the agent may not ask (docs/security-policy.md)')
  return [first, ...others]
}

const rejectOn = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))

const get = (
  url: URL,
  [first, ...others]: readonly [LookupAddress, ...LookupAddress[]],
  { ca, signal }: Pick<Fetching, 'ca'> & { readonly signal: AbortSignal },
): Promise<FetchedDocument> =>
  new Promise((fulfil, reject) => {
    // Nobody looks the name up again, which might give another address.
    const lookup: LookupFunction = (_hostname, { all }, callback) =>
      setImmediate(() => (all ? callback(null, [first, ...others]) : callback(null, first.address, first.family)))
    const options: RequestOptions = {
      lookup,
      signal,
      agent: false,
      headers: { accept: 'application/jwk-set+json, application/json', 'user-agent': 'atoll-agent' },
    }
    const take = (response: IncomingMessage): void => {
      read(response).then(fulfil, reject)
    }
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, ...(ca && { ca: [...ca] }) }, take)
        : httpRequest(url, options, take)
    request.on('error', reject)
    // Destroyed before there is an answer, it would say nothing else.
    request.on('close', () => reject(new FetchError('ended the connection')))
    request.end()
  })

const read = async (response: IncomingMessage): Promise<FetchedDocument> => {
  try {
    const { statusCode = 0, headers } = response
    if (statusCode >= 300 && statusCode < 400)
      throw new FetchError(`redirects (${statusCode}), which is not followed: name the place itself`)
    if (statusCode !== 200) throw new FetchError(`answered ${statusCode}`)
    if ((headers['content-encoding'] ?? 'identity') !== 'identity')
      throw new FetchError('answered in an encoding that was not asked for')
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > maxBytes) throw new FetchError(`answered with more than ${maxBytes / 1024 / 1024} MiB`)
      chunks.push(chunk)
    }
    return { text: Buffer.concat(chunks).toString('utf8'), maxAgeSeconds: toMaxAge(headers['cache-control']) }
  } finally {
    response.destroy()
  }
}

const toMaxAge = (cacheControl: string | undefined): number | undefined => {
  const match = /(?:^|[,\s])max-age="?(\d{1,9})/i.exec(cacheControl ?? '')
  return match && !/no-cache|no-store/i.test(cacheControl ?? '') ? Number(match[1]) : undefined
}

const toFetchError = (error: unknown): FetchError => {
  if (error instanceof FetchError) return error
  const { code } = error as NodeJS.ErrnoException
  return new FetchError(`can't be reached: ${code ?? 'the connection failed'}`, { cause: error })
}
