import { RBAC_Action as Action } from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import type { JudgedCall } from './judged-call.ts'
import { judgeRules, type MatchedRules, type Rules } from './judge-rules.ts'
import { isUnknown, notKnown, type Unknown } from './truth.ts'

/** One filter of access, as a proxy has it. */
export interface AccessJudge {
  /** Absent: it lets everybody through. */
  readonly rules?: JudgeRules | undefined
  /** Whose verdict is told alone. */
  readonly trial?: JudgeRules | undefined
  /** Whom these match somebody else is asked about, who knows alone what becomes of them. */
  readonly asking?: Rules | undefined
}

export type JudgeRules = Rules & { readonly action: Action }

export interface Verdict {
  readonly outcome: 'allowed' | 'denied' | 'not-known'
  /**
   * The rule that decides, as Envoy names it. Absent: of what is allowed that nobody denies it and no ALLOW policy is there, of what is denied that no rule of the
   * ALLOW policies matches.
   */
  readonly rule?: string
  /** Of what is not known: what is missing to know it. */
  readonly missing?: readonly string[]
}

/** What the filters of access say of a call. */
export interface Judgement extends Verdict {
  /** Whether there is an ALLOW policy, or a rule that denies. */
  readonly isAsked: boolean
  /** The AUDIT rule that marks it. */
  readonly audit?: Mark
  /** What the policies of dry runs would say, where there are such. */
  readonly trial?: Verdict
}

export interface Mark {
  readonly rule: string
  /** Absent: it is known to match. */
  readonly missing?: readonly string[]
}

/** Asks filter after filter, as a proxy does: the same rules decide here and there. */
export const judgeAccess = (judges: readonly AccessJudge[], call: JudgedCall): Judgement => {
  const holding = judges.flatMap(({ rules }) => (rules && rules.action !== Action.LOG ? [rules] : []))
  const asking = judges.flatMap((judge) => judge.asking ?? [])
  const told = judges.flatMap(({ trial }) => trial ?? [])
  const marking = told.filter(({ action }) => action === Action.LOG)
  const trials = told.filter(({ action }) => action !== Action.LOG)
  const [audit] = marking.flatMap((rules) => toMark(judgeRules(rules, call)))
  return {
    ...judgeInOrder(holding, call, asking),
    isAsked: holding.length + asking.length > 0,
    ...(audit && { audit }),
    ...(trials.length > 0 && { trial: judgeInOrder(trials, call) }),
  }
}

const judgeInOrder = (all: readonly JudgeRules[], call: JudgedCall, asking: readonly Rules[] = []): Verdict => {
  const open: { readonly rule: string | undefined; readonly unknown: Unknown }[] = asking.flatMap((rules) => {
    const { matches, rule } = judgeRules(rules, call)
    if (matches === false) return []
    return [{ rule, unknown: isUnknown(matches) ? matches : notKnown('what its provider says') }]
  })
  let allowedBy: string | undefined
  for (const rules of all) {
    const { matches, rule } = judgeRules(rules, call)
    if (isUnknown(matches)) open.push({ rule, unknown: matches })
    else if (rules.action === Action.DENY && matches) return { outcome: 'denied', ...(rule !== undefined && { rule }) }
    else if (rules.action === Action.ALLOW && !matches) return { outcome: 'denied' }
    else if (rules.action === Action.ALLOW) allowedBy = rule
  }
  const [first] = open
  if (!first) return { outcome: 'allowed', ...(allowedBy !== undefined && { rule: allowedBy }) }
  const missing = [...new Set(open.flatMap(({ unknown }) => unknown.missing))]
  return { outcome: 'not-known', ...(first.rule !== undefined && { rule: first.rule }), missing }
}

const toMark = ({ matches, rule }: MatchedRules): readonly Mark[] => {
  if (rule === undefined || matches === false) return []
  return [{ rule, ...(isUnknown(matches) && { missing: matches.missing }) }]
}
