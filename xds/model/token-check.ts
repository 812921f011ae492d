/** Where a token may be in a request. */
export type TokenPlace =
  /** Behind a prefix that is anywhere in the header; empty = the header is the token. */
  | { readonly kind: 'header'; readonly name: string; readonly prefix: string }
  | { readonly kind: 'parameter'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string }

/** Which tokens are right, and what becomes of them. */
export interface TokenRule {
  /** Absent = any, whose key it is. */
  readonly issuer?: string
  /** One of these at least; none = any. */
  readonly audiences: readonly string[]
  /** A JWK Set with one key at least. */
  readonly jwks: string
  readonly places: readonly TokenPlace[]
  /** Whether the application is sent the token. */
  readonly isForwarded: boolean
  readonly payloadHeader?: string
  readonly claimHeaders: readonly { readonly header: string; readonly claim: string }[]
  /** Claims that are lists of words, with a space between. */
  readonly spaceDelimitedClaims: readonly string[]
}

/** What is asked of the tokens of requests: each is right by one of the rules that look where it is. A request without one passes. */
export interface TokenCheck {
  readonly rules: readonly TokenRule[]
  /** Who says so. */
  readonly objects: readonly string[]
  /** So much is asked that nobody can ask it: no request passes. */
  readonly refusesAll?: true
}
