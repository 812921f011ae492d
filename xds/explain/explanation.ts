import type { Judgement } from '#xds/judge/judge-access.ts'
import type { Decider } from './served.ts'

/** Where on the way something is decided. */
export type Stage =
  | 'name'
  | 'listener'
  | 'route'
  | 'cluster'
  | 'endpoints'
  | 'certificates'
  | 'gateway'
  | 'inbound'
  | 'policy'

export interface Step {
  readonly stage: Stage
  /** The proxy that decides, "<role>/<namespace>/<workload>"; absent = none does. */
  readonly proxy?: string
  readonly text: string
  readonly details?: readonly string[]
  readonly decidedBy?: readonly Decider[]
  /** Of stage `policy`: what the rules say, whatever else is on the way. */
  readonly judgement?: Judgement
}

/** Why a call does not come to those that it asks for. */
export type StopCode =
  | 'unknown-name'
  | 'unknown-port'
  | 'not-exported'
  | 'hidden-by-sidecar'
  | 'blocked-outbound'
  | 'no-listener'
  | 'no-route'
  | 'answered-by-route'
  | 'fault-injected'
  | 'no-such-subset'
  | 'no-such-cluster'
  | 'no-endpoints'
  | 'protocol-mismatch'
  | 'plaintext-to-strict'
  | 'tls-to-plaintext'
  | 'unexpected-certificate'
  | 'not-behind-gateway'
  | 'closed-by-inbound'
  | 'denied-by-policy'
  | 'token-refused'

/** What the client sees of a stop: an HTTP status, or that its connection ends. */
export type Answer = number | 'closed' | 'no-address'

export interface Stop {
  readonly code: StopCode
  readonly text: string
  readonly fix: string
  readonly answer: Answer
  readonly decidedBy?: readonly Decider[]
}

/** How far something was followed, and what it led to or why it ended. */
export type Found<Value> =
  | { readonly steps: readonly Step[]; readonly value: Value; readonly stop?: undefined }
  | { readonly steps: readonly Step[]; readonly stop: Stop }

/**
 * Why it is not known whether a call arrives: nobody on its way could be asked; somebody may turn it away by rules that are not looked into, or that look at what is not known of it; there may be
 * too many.
 */
export type LimitCode = 'not-followed' | 'access-not-known' | 'rate-not-known'

/** How far a call could be followed. */
export interface Limit {
  readonly code: LimitCode
  readonly text: string
  readonly fix: string
}

/** What becomes of some of the calls. With neither a stop nor a limit they arrive. */
export interface End {
  /** Out of 1, which is all calls. */
  readonly share: number
  readonly stop?: Stop | undefined
  readonly limit?: Limit | undefined
}

/** A way that a share of the calls goes. */
export interface Way {
  /** Out of 1. */
  readonly share: number
  /** Name of the EnvoyCluster; undefined = the calls get to none. */
  readonly xdsCluster: string | undefined
  readonly steps: readonly Step[]
  /** Their shares make up the way's. */
  readonly ends: readonly End[]
}

/** Of all calls: they arrive, a share does not, none does, or nothing stops them as far as they can be followed. */
export type Outcome = 'reachable' | 'partly-reachable' | 'unknown' | 'not-reachable'

export interface Verdict {
  readonly outcome: Outcome
  /** Whether all calls arrive. */
  readonly reachable: boolean
  /** Of the calls that arrive, out of 1. */
  readonly share: number
  /** Of those of which it is not known. */
  readonly unknownShare: number
  readonly code: 'reachable' | 'passed-on' | StopCode | LimitCode
  readonly text: string
  readonly fix?: string
  /** What the client sees where it does not arrive. */
  readonly answer?: Answer
  readonly decidedBy?: readonly Decider[]
}

export interface Explanation {
  /** What all calls have in common. */
  readonly steps: readonly Step[]
  readonly ways: readonly Way[]
  readonly verdict: Verdict
}
