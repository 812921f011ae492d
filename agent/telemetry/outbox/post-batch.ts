import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { PlaneConnection } from '#agent/plane-connection.ts'
import { post, type Answer } from '#agent/post.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { readRejected } from './read-rejected.ts'
import type { Batch } from './batch.ts'

/** What became of a batch that was sent. */
export type PostResult =
  | { readonly kind: 'taken'; readonly rejected: number }
  /** Sent again, it would be refused again. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'later'; readonly reason: string; readonly retryAfterMilliseconds?: number }

export type PostBatch = (batch: Pick<Batch, 'signal' | 'body'>, token: string) => Promise<PostResult>

const maxAnswerBytes = 64 * 1024

/**
 * Statuses that are the batch's fault (OTLP/HTTP, Failures; RFC 9110). Of all others (a token that has expired, a plane that is older or busy) the batch knows
 * nothing: it is kept.
 */
const refusals: ReadonlySet<number> = new Set([400, 405, 411, 413, 415, 422])

/**
 * Statuses of a foreign backend after which a batch is sent again: those of OTLP/HTTP, Failures, after all others of 4xx and 5xx it must not be; and those that
 * tell of a credential, which is put right without a restart.
 */
const retried: ReadonlySet<number> = new Set([401, 403, 407, 429, 502, 503, 504])

/** Sends batches to a backend that is not Atoll's. */
export const createPostToBackend = (target: Omit<OtlpTarget, 'isRefusal'>): PostBatch =>
  createPostBatch({ ...target, isRefusal: (status) => status >= 400 && !retried.has(status) })

interface OtlpTarget {
  /** OTLP/HTTP's base URL, and how it is reached. */
  readonly connection: PlaneConnection
  /** What answers, for people. */
  readonly name: string
  /** What requests have beside OTLP's own headers. The text of an error that it throws is told. */
  readonly headers: (token: string) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>
  /** Whether what was answered with this status is not to be sent again. */
  readonly isRefusal: (status: number) => boolean
}

/** Sends batches to the plane. */
export const createPostToPlane = (connection: PlaneConnection): PostBatch =>
  createPostBatch({
    connection: { ...connection, url: `${connection.url}/v1/otlp` },
    name: 'the plane',
    headers: (token) => ({ authorization: `Bearer ${token}` }),
    isRefusal: (status) => refusals.has(status),
  })

/** Sends batches by OTLP/HTTP, over connections that are kept. */
const createPostBatch = ({ connection, name, headers, isRefusal }: OtlpTarget): PostBatch => {
  const Agent = connection.url.startsWith('https:') ? HttpsAgent : HttpAgent
  const kept = { ...connection, agent: connection.agent ?? new Agent({ keepAlive: true, maxSockets: 4 }) }
  return async ({ signal, body }, token) => {
    try {
      const own = await headers(token)
      const answer = await post(kept, {
        path: `/v1/${signal}`,
        headers: { ...own, 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' },
        body,
        maxAnswerBytes,
      })
      return isRefusal(answer.status)
        ? { kind: 'refused', reason: toReason(name, answer.status) }
        : toResult(name, answer)
    } catch (error) {
      return { kind: 'later', reason: toErrorMessage(error) }
    }
  }
}

const toResult = (name: string, { status, headers, body }: Answer): PostResult => {
  if (status >= 200 && status < 300) return { kind: 'taken', rejected: readRejected(body) }
  const seconds = Number(headers['retry-after'])
  return {
    kind: 'later',
    reason: toReason(name, status),
    ...(seconds > 0 && { retryAfterMilliseconds: Math.min(seconds, 300) * 1000 }),
  }
}

const toReason = (name: string, status: number): string => `${name} answered with ${status}`
