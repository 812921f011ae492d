import { RBAC_Action as Action } from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import type { AccessJudge } from '#xds/judge/judge-access.ts'
import type { JudgedCall } from '#xds/judge/judged-call.ts'
import { judgeEachRule } from '#xds/judge/judge-rules.ts'
import { isUnknown } from '#xds/judge/truth.ts'
import type { Told } from './read-record.ts'

/**
 * What a record says of rules that nobody can judge from it, as they ask for headers or claims: a call that went on matched no rule that denies, and the one that may have
 * allowed it did. `isKept`: whether a rule is there afterwards as it is now.
 */
export const learnFromRecord = (
  judges: readonly AccessJudge[],
  call: JudgedCall,
  told: Told,
  isKept: (rule: string) => boolean,
): JudgedCall['learned'] => {
  if (told.kind !== 'passed' && told.kind !== 'denied') return undefined
  const judged = judges.flatMap(({ rules }) =>
    rules ? judgeEachRule(rules, call).map((each) => ({ ...each, action: rules.action })) : [],
  )
  const open = judged.filter(({ matches }) => isUnknown(matches))
  const denying = open.filter(({ action }) => action === Action.DENY)
  const allowing = open.filter(({ action }) => action === Action.ALLOW)
  if (told.kind === 'denied') {
    if (told.rule !== undefined) return toAnswer([told.rule], true)
    return toAnswer(
      [...denying, ...allowing].map(({ name }) => name),
      false,
    )
  }
  const others = toAnswer(
    denying.map(({ name }) => name),
    false,
  )
  const isAllowedAnyway = judged.some(({ action, matches }) => action === Action.ALLOW && matches === true)
  // One of several did, and nobody knows which: it does not matter where all of them stay.
  if (isAllowedAnyway || allowing.length === 0 || !allowing.every(({ name }) => allowing.length === 1 || isKept(name)))
    return others
  const [first] = allowing
  return (rule) => (rule === first?.name ? true : others(rule))
}

const toAnswer =
  (rules: readonly string[], matches: boolean) =>
  (rule: string): boolean | undefined =>
    rules.includes(rule) ? matches : undefined
