import { RBAC_Action as Action } from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import { parseAccessRuleName } from '#mesh/security/access-rule-name.ts'
import type { AccessJudge, JudgeRules } from './judge-access.ts'
import type { Rules } from './judge-rules.ts'

export interface AccessChange {
  /** The mesh's policies that are changed, or new. */
  readonly policies: readonly { readonly namespace: string; readonly name: string }[]
  /** What they say then. */
  readonly added: readonly AccessJudge[]
  /** Whether there are more ALLOW policies than these, which deny whom they do not match though they may have no rules. */
  readonly hasOtherAllows: boolean
}

/** What filters of access say once policies have changed: the rules that a proxy is served, without those that these had, and with those that they have then. */
export const changeAccess = (
  judges: readonly AccessJudge[],
  { policies: changed, added, hasOtherAllows }: AccessChange,
): readonly AccessJudge[] => {
  const isChanged = (rule: string): boolean => {
    const parsed = parseAccessRuleName(rule)
    return (
      parsed !== undefined &&
      !parsed.isOfCluster &&
      changed.some(({ namespace, name }) => namespace === parsed.namespace && name === parsed.name)
    )
  }
  const kept = judges.flatMap(({ rules }) => rules ?? []).map((rules) => withoutRules(rules, isChanged))
  const more = added.flatMap(({ rules }) => rules ?? [])
  const all = [...kept, ...more]
  const merge = (action: Action): JudgeRules => ({
    action,
    policies: Object.assign({}, ...all.filter((rules) => rules.action === action).map(({ policies }) => policies)),
  })
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
