import type { Authorizer } from './authorizer.ts'

/** What people's policies say of calls to a workload, in the order in which it is asked. */
export interface Access {
  /** Whom one matches somebody else is asked about, and may not call without that; absent = nobody is. */
  readonly delegated?: Delegated
  /** Whom they match is marked for access logs, and may call all the same. */
  readonly audit: readonly AccessRule[]
  /** Whom one matches may not call. */
  readonly deny: readonly AccessRule[]
  /** Absent: whoever is not denied may call. Otherwise whom one matches may. */
  readonly allow?: readonly AccessRule[]
  /** What is only to be judged by, and told. */
  readonly dryRun: { readonly deny: readonly AccessRule[]; readonly allow?: readonly AccessRule[] }
}

export interface Delegated {
  readonly rules: readonly AccessRule[]
  /** Absent = there is nobody to ask: whom one matches may not call. */
  readonly authorizer?: Authorizer
}

/** Matches a call when one of `who` matches its caller and one of `what` what is called. */
export interface AccessRule {
  /** As records and statistics say it. */
  readonly name: string
  /** The key of the object that says it. */
  readonly object: string
  readonly who: readonly Condition<CallerFact>[]
  readonly what: readonly Condition<CalledFact>[]
}

export type Condition<Fact> =
  | { readonly kind: 'any' }
  | { readonly kind: 'not'; readonly of: Condition<Fact> }
  | { readonly kind: 'all'; readonly of: readonly Condition<Fact>[] }
  | { readonly kind: 'one'; readonly of: readonly Condition<Fact>[] }
  | { readonly kind: 'fact'; readonly fact: Fact }

export type CallerFact =
  /** The SPIFFE ID of the client's certificate: the texts begin as one does. */
  | { readonly kind: 'peer'; readonly text: AccessText }
  /** A DNS name of the client's certificate, below that of the cluster whose intermediate has signed it: the texts match nothing else that a certificate may say. */
  | { readonly kind: 'peer-name'; readonly text: AccessText }
  /** Where its connection comes from. */
  | { readonly kind: 'connected-from'; readonly block: string }
  /** Where the request comes from, as proxies before this one tell that are believed. */
  | { readonly kind: 'client-address'; readonly block: string }
  | { readonly kind: 'header'; readonly name: string; readonly text: AccessText }
  /** Of the token that has been verified: the claim is this, or a list with it. */
  | { readonly kind: 'claim'; readonly path: readonly string[]; readonly text: AccessText }

export type CalledFact =
  | { readonly kind: 'host'; readonly text: AccessText }
  | { readonly kind: 'method'; readonly text: AccessText }
  /** Without its query. */
  | { readonly kind: 'path'; readonly text: AccessText }
  /** Envoy's: "*" is one segment, "**" any number of them. */
  | { readonly kind: 'path-template'; readonly template: string }
  | { readonly kind: 'port'; readonly port: number }
  | { readonly kind: 'address'; readonly block: string }
  | { readonly kind: 'server-name'; readonly text: AccessText }
  /** What another filter has noted. */
  | {
      readonly kind: 'metadata'
      readonly filter: string
      readonly key: string
      readonly text: AccessText
      readonly isListed: boolean
    }

/** `present`: any text but an empty one. */
export type AccessText =
  | { readonly kind: 'exact' | 'prefix' | 'suffix' | 'regex'; readonly text: string }
  | { readonly kind: 'present' }
