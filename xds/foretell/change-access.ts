import { RBAC_Action as Action } from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import { parseAccessRuleName, toAccessRuleName } from '#mesh/security/access-rule-name.ts'
import type { AccessJudge, JudgeRules } from '#xds/judge/judge-access.ts'
import type { Rules } from '#xds/judge/judge-rules.ts'

export interface AccessChange {
  /** Whether a rule is of a policy that is changed, or gone. */
  readonly isChanged: (rule: string) => boolean
  /** What the changed policies, and those that are new, say then. */
  readonly added: readonly AccessJudge[]
  /** Whether there are more ALLOW policies than these, which deny whom they do not match though they may have no rules. */
  readonly hasOtherAllows: boolean
}

/** What filters of access say once policies have changed: the rules that a proxy is served, without those that these had, and with those that they have then. */
export const changeAccess = (
  judges: readonly AccessJudge[],
  { isChanged, added, hasOtherAllows }: AccessChange,
): readonly AccessJudge[] => {
  const kept = judges.flatMap(({ rules }) => rules ?? []).map((rules) => withoutRules(rules, isChanged))
  const more = added.flatMap(({ rules }) => rules ?? [])
  const merge = (action: Action): JudgeRules => {
    const select = (all: readonly JudgeRules[]) => all.filter((rules) => rules.action === action)
    const isNew = new Set(select(more).flatMap(({ policies }) => Object.keys(policies)))
    const unread = select(kept).find(({ matcher }) => matcher)
    return {
      action,
      ...(unread && { matcher: unread.matcher }),
      policies: Object.fromEntries([
        // Who has a policy of the cluster's under the same name has both then.
        ...select(kept).flatMap(({ policies }) =>
          Object.entries(policies).map(([name, policy]) => [isNew.has(name) ? toCluster(name) : name, policy] as const),
        ),
        ...select(more).flatMap(({ policies }) => Object.entries(policies)),
      ]),
    }
  }
  const allows = hasOtherAllows || more.some(({ action }) => action === Action.ALLOW)
  return [
    ...judges.flatMap(({ asking }) => (asking ? [{ asking: withoutRules(asking, isChanged) }] : [])),
    ...added.flatMap(({ asking }) => (asking ? [{ asking }] : [])),
    { rules: merge(Action.DENY) },
    ...(allows ? [{ rules: merge(Action.ALLOW) }] : []),
  ]
}

const withoutRules = <Some extends Rules>(rules: Some, isLeftOut: (rule: string) => boolean): Some => ({
  ...rules,
  policies: Object.fromEntries(Object.entries(rules.policies).filter(([name]) => !isLeftOut(name))),
})

const toCluster = (name: string): string => {
  const parsed = parseAccessRuleName(name)
  return parsed ? toAccessRuleName({ ...parsed, isOfCluster: true }) : name
}
