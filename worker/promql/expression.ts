/** A query of Prometheus' language, as far as it is understood here (Prometheus reference: Querying basics, Operators, Functions). */
export type Expression =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | Selector
  | { readonly kind: 'negation'; readonly of: Expression }
  | Call
  | Aggregation
  | Operation

export interface Matcher {
  readonly label: string
  readonly operator: '=' | '!=' | '=~' | '!~'
  readonly value: string
}

export interface Selector {
  readonly kind: 'selector'
  readonly matchers: readonly Matcher[]
  /** Absent: the newest sample, not those of a range. */
  readonly rangeMs?: number
  readonly offsetMs: number
}

export interface Call {
  readonly kind: 'call'
  readonly name: string
  readonly args: readonly Expression[]
}

/** By labels, or without some. */
export interface Grouping {
  readonly by: boolean
  readonly labels: readonly string[]
}

export interface Aggregation {
  readonly kind: 'aggregation'
  readonly operator: string
  readonly parameter?: Expression
  readonly of: Expression
  readonly grouping: Grouping
}

/** How the two sides of an operation find each other. */
export interface Matching {
  readonly on: boolean
  readonly labels: readonly string[]
  /** The side of which many match one of the other. */
  readonly many?: 'left' | 'right'
  /** Labels that the many get from the one. */
  readonly include: readonly string[]
}

export interface Operation {
  readonly kind: 'operation'
  readonly operator: string
  readonly left: Expression
  readonly right: Expression
  /** A comparison says 0 or 1 instead of leaving out. */
  readonly isBool: boolean
  readonly matching: Matching
}
