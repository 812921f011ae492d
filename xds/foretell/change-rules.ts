import { authorizationPolicy } from '#mesh/config/authorization-policy.ts'
import { toObjectKey } from '#mesh/config-object.ts'
import { parseAccessRuleName } from '#mesh/security/access-rule-name.ts'
import { selectAuthorizations } from '#mesh/security/select-authorizations.ts'
import { buildAccessRules } from '#xds/build/build-access.ts'
import { compileAccess } from '#xds/compile/compile-access.ts'
import type { AccessJudge } from '#xds/judge/judge-access.ts'
import type { Decider } from '#xds/explain/served.ts'
import { toPlace, type CalledProxy } from './called-proxy.ts'
import { changeAccess } from './change-access.ts'
import type { ProposedMesh } from './proposal.ts'

/** What AuthorizationPolicies say once they have changed. */
export interface RuleChange {
  readonly judges: (judges: readonly AccessJudge[], of: 'requests' | 'connections') => readonly AccessJudge[]
  /** Whether a rule is then as it is now. */
  readonly isKept: (rule: string) => boolean
  /** Whether extension providers are asked about the same calls then. */
  readonly asksAsBefore: boolean
  /** The ALLOW policies of then: of a call that none of them matches they decide. */
  readonly allowing: readonly Decider[]
}

/** Undefined: they change nothing for this proxy. */
export const changeRules = (mesh: ProposedMesh, proxy: CalledProxy): RuleChange | undefined => {
  const { namespace, cluster, policies } = proxy
  const view = mesh.view(cluster, 'added')
  const selected = selectAuthorizations(view, namespace, toPlace(proxy))
  const isOld = ({ object, origin }: (typeof policies.authorizations)[number]) =>
    origin === 'mesh' && mesh.changed.has(object)
  const had = policies.authorizations.filter(isOld)
  if (selected === '' && had.length === 0) return undefined
  const kept = policies.authorizations.filter((each) => !isOld(each))
  const isOfChanged = (rule: string): boolean => {
    const parsed = parseAccessRuleName(rule)
    if (!parsed || parsed.isOfCluster) return false
    const key = toObjectKey(authorizationPolicy.kind, parsed.namespace, parsed.name)
    return had.some(({ object }) => object === key)
  }
  const compile = (of: 'requests' | 'connections') =>
    compileAccess(view, { namespace, policies: selected }, of, () => {})
  const added = { requests: compile('requests'), connections: compile('connections') }
  const keptAllows = kept.filter(({ action, dryRun }) => action === 'ALLOW' && !dryRun)
  const newAllows = [...new Set((added.requests.allow ?? []).map(({ object }) => object))]
  return {
    judges: (judges, of) =>
      changeAccess(judges, {
        isChanged: isOfChanged,
        added: buildAccessRules(added[of]),
        hasOtherAllows: keptAllows.length > 0,
      }),
    isKept: (rule) => !isOfChanged(rule),
    asksAsBefore: !added.requests.delegated && !had.some(({ action }) => action === 'CUSTOM'),
    allowing: [...new Set([...keptAllows.map(({ object }) => object), ...newAllows])].map((object) => ({
      object,
      path: 'rules',
    })),
  }
}
