import type { LookupAddress } from 'node:dns'
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import type { Clock } from '#agent/clock.ts'
import { toHost, type PlaceGuard } from './place-guard.ts'

export interface Fetching {
  readonly guard: PlaceGuard
  readonly clock: Clock
  /** IP addresses of a host name; rejects when it has none. */
  readonly resolve: (hostname: string, signal: AbortSignal) => Promise<readonly LookupAddress[]>
  /** PEM: whom servers are verified against; undefined = the public authorities. */
  readonly ca: readonly string[] | undefined
}

export interface Wanted {
  readonly timeoutMilliseconds: number
  /** What is longer is not taken. */
  readonly maxBytes: number
  readonly headers: Readonly<Record<string, string>>
}

export interface FetchedBytes {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** What people are told: nothing of what was answered, and no address. */
export class FetchError extends Error {
  /** The server speaks no TLS. */
  readonly isPlaintext: boolean

  constructor(message: string, { isPlaintext = false, ...options }: ErrorOptions & { isPlaintext?: boolean } = {}) {
    super(message, options)
    this.isPlaintext = isPlaintext
  }
}

/**
 * GETs what is at a place that is allowed; of an answer that is not 200 nothing but status and headers. The address that is connected to is what
 * is judged, so that a name can't become another one in between; there are no redirects, no proxies, and no connection outlives its request.
 * Throws an error whose message is for people.
 */
export const fetchBytes = async (url: URL, wanted: Wanted, fetching: Fetching): Promise<FetchedBytes> => {
  const { timeoutMilliseconds } = wanted
  const fault = fetching.guard.faultOf(url)
  if (fault !== undefined) throw new FetchError(fault)
  const abort = new AbortController()
  const cancel = fetching.clock.after(timeoutMilliseconds, () =>
    abort.abort(new FetchError(`did not answer within ${timeoutMilliseconds / 1000} s`)),
  )
  try {
    const addresses = await Promise.race([findAddresses(url, fetching, abort.signal), rejectOn(abort.signal)])
    return await get(url, addresses, wanted, { ca: fetching.ca, signal: abort.signal })
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
  signal: AbortSignal,
): Promise<readonly [LookupAddress, ...LookupAddress[]]> => {
  const host = toHost(url)
  const family = isIP(host)
  const found = family === 0 ? await resolve(host, signal) : [{ address: host, family }]
  const [first, ...others] = found.filter(({ address }) => guard.allows(url, address))
  if (!first) throw new FetchError('is at an address that the agent may not ask (docs/security-policy.md)')
  return [first, ...others]
}

const rejectOn = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))

const get = (
  url: URL,
  [first, ...others]: readonly [LookupAddress, ...LookupAddress[]],
  { maxBytes, headers }: Wanted,
  { ca, signal }: Pick<Fetching, 'ca'> & { readonly signal: AbortSignal },
): Promise<FetchedBytes> =>
  new Promise((fulfil, reject) => {
    // Nobody looks the name up again, which might give another address.
    const lookup: LookupFunction = (_hostname, { all }, callback) =>
      setImmediate(() => (all ? callback(null, [first, ...others]) : callback(null, first.address, first.family)))
    const options: RequestOptions = {
      lookup,
      signal,
      agent: false,
      headers: { ...headers, 'user-agent': 'atoll-agent' },
    }
    const take = (response: IncomingMessage): void => {
      read(response, maxBytes).then(fulfil, reject)
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

const read = async (response: IncomingMessage, maxBytes: number): Promise<FetchedBytes> => {
  try {
    const { statusCode: status = 0, headers } = response
    if (status !== 200) return { status, headers, body: Buffer.alloc(0) }
    if ((headers['content-encoding'] ?? 'identity') !== 'identity')
      throw new FetchError('answered in an encoding that was not asked for')
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > maxBytes) throw new FetchError(`answered with more than ${maxBytes / 1024 / 1024} MiB`)
      chunks.push(chunk)
    }
    return { status, headers, body: Buffer.concat(chunks) }
  } finally {
    response.destroy()
  }
}

const toFetchError = (error: unknown): FetchError => {
  if (error instanceof FetchError) return error
  const { code } = error as NodeJS.ErrnoException
  return new FetchError(`can't be reached: ${code ?? 'the connection failed'}`, {
    cause: error,
    isPlaintext: code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER',
  })
}
