import type { Verdict as AccessVerdict } from '#xds/judge/judge-access.ts'
import type { Explanation, Step, StopCode } from './explanation.ts'
import type { Decider } from './served.ts'

/** Whether somebody may call: all that comes to a proxy that judges, some of it not, or nobody is asked as the call gets to none. */
export type AccessOutcome = 'allowed' | 'denied' | 'not-known' | 'not-asked'

/** What one proxy says. */
export interface JudgedAt {
  readonly proxy: string
  readonly outcome: AccessVerdict['outcome']
  readonly text: string
  readonly details: readonly string[]
  readonly decidedBy: readonly Decider[]
  /** What is not known, and would have to be. */
  readonly missing: readonly string[]
}

export interface AccessAnswer {
  readonly outcome: AccessOutcome
  readonly text: string
  readonly fix?: string
  readonly decidedBy: readonly Decider[]
  readonly judged: readonly JudgedAt[]
}

/** Those with which policies answer. */
const ofPolicies: readonly StopCode[] = ['denied-by-policy', 'token-refused', 'plaintext-to-strict']

/** What of a call's explanation says who may call. */
export const toAccessAnswer = ({ steps, ways, verdict }: Explanation): AccessAnswer => {
  const ends = ways.flatMap((way) => way.ends)
  const all = [...steps, ...ways.flatMap((way) => way.steps)]
  const judged = distinct(all.flatMap(toJudgedAt))
  const stops = ends.flatMap(({ stop }) => stop ?? [])
  // Of a call that gets to nobody there is the verdict alone.
  const codes = ends.length > 0 ? stops.map(({ code }) => code) : [verdict.code]
  const { text, fix, decidedBy = [] } = verdict
  const told = { text, ...(fix !== undefined && { fix }), decidedBy, judged }
  if (codes.some((code) => ofPolicies.some((each) => each === code))) {
    const first = stops.find(({ code }) => ofPolicies.includes(code)) ?? verdict
    const share = ends.filter(({ stop }) => !stop).length > 0 ? 'Some of the calls: ' : ''
    return {
      ...told,
      outcome: 'denied',
      text: share + first.text,
      ...(first.fix !== undefined && { fix: first.fix }),
      decidedBy: first.decidedBy ?? [],
    }
  }
  if (stops.length > 0 || verdict.outcome === 'not-reachable') return { ...told, outcome: 'not-asked' }
  const open = ends.find(({ limit }) => limit && limit.code !== 'rate-not-known')
  if (open || ends.length === 0) return { ...told, outcome: 'not-known' }
  // Whom the mesh does not know may be a name that was mistyped: nobody has let it in.
  if (verdict.code === 'passed-on' && judged.length === 0) return { ...told, outcome: 'not-asked' }
  const rules = judged.map((each) => `${each.proxy}: ${each.text}`)
  const deciders = distinct(judged.flatMap((each) => each.decidedBy))
  return { outcome: 'allowed', text: rules.join('; ') || 'Nobody on the way is asked', decidedBy: deciders, judged }
}

const toJudgedAt = ({ proxy = '', text, details = [], decidedBy = [], judgement }: Step): readonly JudgedAt[] =>
  judgement ? [{ proxy, outcome: judgement.outcome, text, details, decidedBy, missing: judgement.missing ?? [] }] : []

const distinct = <Item>(items: readonly Item[]): readonly Item[] => [
  ...new Map(items.map((item) => [JSON.stringify(item), item])).values(),
]
