/** The routes of a set of domains. */
export interface VirtualHost {
  readonly name: string
  readonly domains: readonly string[]
  /** The first that matches is taken; none = 404. */
  readonly routes: readonly Route[]
  /** Of all routes that do not bring their own. */
  readonly retries: Retries | undefined
}

export interface Route {
  readonly name?: string
  readonly match: RouteMatch
  readonly action: RouteAction
  readonly requestHeaders?: HeaderChanges
  readonly responseHeaders?: HeaderChanges
}

export interface RouteMatch {
  /** `connect` matches CONNECT requests and nothing else. */
  readonly path: PathMatch | { readonly kind: 'connect' }
  readonly headers: readonly HeaderMatch[]
  readonly queryParameters: readonly { readonly name: string; readonly value: ValueMatch }[]
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
  readonly hashPolicy?: HashPolicy
}

export interface RouteDestination {
  readonly upstream: string
  readonly weight: number
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

export interface HeaderChanges {
  readonly set: readonly (readonly [name: string, value: string])[]
  readonly add: readonly (readonly [name: string, value: string])[]
  readonly remove: readonly string[]
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
    }
