import type { CalledService } from './called-service.ts'

/** The routes of a set of domains. */
export interface VirtualHost {
  readonly name: string
  readonly domains: readonly string[]
  /** The first that matches is taken; none = 404. */
  readonly routes: readonly Route[]
  /** Requests in plaintext are redirected to https. */
  readonly requiresTls?: boolean
  /** Of all routes that do not bring their own. */
  readonly retries: Retries | undefined
  /** Absent = its domains are of no service. */
  readonly called?: CalledService
}

export interface Route {
  readonly name?: string
  /** What says that there is this route; absent = nothing does, beside the service. */
  readonly writtenAt?: { readonly object: string; readonly path: string }
  readonly match: RouteMatch
  readonly action: RouteAction
  readonly requestHeaders?: HeaderChanges
  readonly responseHeaders?: HeaderChanges
  /** Absent = none of its own. */
  readonly statPrefix?: string
  readonly fault?: Fault
  readonly cors?: Cors
}

/** What some requests suffer on purpose. Shares are out of a million. */
export interface Fault {
  readonly delay?: { readonly durationMs: number; readonly share: number }
  readonly abort?: { readonly kind: 'http' | 'grpc'; readonly status: number; readonly share: number }
}

/** Which requests from other origins browsers let through. Absent lists say nothing. */
export interface Cors {
  readonly origins: readonly TextMatch[]
  readonly methods?: string
  readonly headers?: string
  readonly exposedHeaders?: string
  readonly maxAgeSeconds?: number
  readonly allowsCredentials?: boolean
  /** Whether preflight requests from other origins go on to the destination. */
  readonly forwardsUnmatched: boolean
}

export interface RouteMatch {
  /** `connect` matches CONNECT requests and nothing else. */
  readonly path: PathMatch | { readonly kind: 'connect' }
  readonly headers: readonly HeaderMatch[]
  readonly queryParameters: readonly { readonly name: string; readonly value: ValueMatch }[]
  /** Of the token that a gateway has verified. */
  readonly claims?: readonly ClaimMatch[]
}

export interface ClaimMatch {
  /** From the outermost on. */
  readonly path: readonly string[]
  /** Of a text, or of one in a list of texts. */
  readonly value: ValueMatch
  /** Matches when there is no such claim or it is another one. */
  readonly isInverted: boolean
}

export type TextMatch = { readonly kind: 'exact' | 'prefix' | 'regex'; readonly text: string }
export type ValueMatch = TextMatch | { readonly kind: 'present' }
export type PathMatch = TextMatch & { readonly ignoresCase: boolean }

/** `name` may be a pseudo header (":method"). */
export interface HeaderMatch {
  readonly name: string
  readonly value: ValueMatch
  /** Matches when the header is absent or has another value. */
  readonly isInverted: boolean
}

export type RouteAction = Forward | Redirect | Respond

export interface Forward {
  readonly kind: 'forward'
  readonly destinations: readonly RouteDestination[]
  readonly pathRewrite?:
    | { readonly kind: 'prefix'; readonly prefix: string }
    | { readonly kind: 'regex'; readonly pattern: string; readonly substitution: string }
  readonly authority?: string
  /** 0 = none. */
  readonly timeoutMs: number
  readonly retries?: Retries
  /** By all of them together. */
  readonly hashPolicies?: readonly HashPolicy[]
  /** Who gets a copy of the requests; answers are thrown away. */
  readonly mirrors?: readonly Mirror[]
}

export interface Mirror {
  readonly upstream: string
  /** Of the requests, out of a million. */
  readonly share: number
}

export interface RouteDestination {
  readonly upstream: string
  readonly weight: number
  /** Unless the route sets it. */
  readonly authority?: string
  readonly requestHeaders?: HeaderChanges
  readonly responseHeaders?: HeaderChanges
}

export interface Redirect {
  readonly kind: 'redirect'
  /** 301, 302, 303, 307 or 308. */
  readonly code: number
  readonly scheme?: string
  readonly authority?: string
  readonly port?: number
  readonly path?: { readonly kind: 'whole' | 'prefix'; readonly text: string }
}

export interface Respond {
  readonly kind: 'respond'
  readonly status: number
  readonly body?: Uint8Array | string
}

/** First headers are removed, then the others are put, in their order. */
export interface HeaderChanges {
  readonly put: readonly HeaderPut[]
  readonly remove: readonly string[]
}

export interface HeaderPut {
  readonly name: string
  readonly value: string
  /** Whether it comes beside what the header holds already. */
  readonly isAdded: boolean
}

export interface Retries {
  /** 0 = none. */
  readonly attempts: number
  readonly perTryTimeoutMs?: number
  /** Envoy's x-envoy-retry-on and x-envoy-retry-grpc-on conditions. */
  readonly on: readonly string[]
  readonly onStatusCodes: readonly number[]
  /** Also when the proxy that was asked says that its application has seen nothing of the request. */
  readonly onUndelivered: boolean
  /** Whether a host that was tried already is avoided. */
  readonly onOtherHosts: boolean
  /** Whether a priority (other localities) is left behind after two tries. */
  readonly onOtherPriorities?: boolean
  /** The least time before the first; absent = Envoy's default, 25ms. */
  readonly backoffMs?: number
}

/** By what a consistent hash tells clients apart. */
export type HashPolicy =
  | { readonly kind: 'header' | 'query-parameter'; readonly name: string }
  | { readonly kind: 'source-ip' }
  | {
      readonly kind: 'cookie'
      readonly name: string
      readonly path?: string
      /** 0 = for the session; absent: no cookie is made for who has none. */
      readonly ttlMs?: number
      /** Of a cookie that is made. */
      readonly attributes?: readonly { readonly name: string; readonly value: string }[]
    }
