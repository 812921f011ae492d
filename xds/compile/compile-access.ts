import { isDryRun, type AuthorizationPolicySpec } from '#mesh/config/authorization-policy.ts'
import { objectKeyOf, type Sourced } from '#mesh/config-object.ts'
import { toAccessRuleName } from '#mesh/security/access-rule-name.ts'
import { findAuthorizations, type AuthorizationKey } from '#mesh/security/select-authorizations.ts'
import type { MeshView } from '#mesh/view.ts'
import type { Access, AccessRule } from '#xds/model/access.ts'
import type { Report } from './report.ts'
import { compileAccessRule, type RulePlace } from './compile-access-rule.ts'
import { compileAuthorizer, reportUnaskable } from './compile-delegation.ts'

type AuthorizationPolicy = Sourced<AuthorizationPolicySpec>

/** A workload that is called. */
export interface AccessPlace {
  readonly namespace: string
  readonly policies: AuthorizationKey
  /** Its ports at which connections are expected that are not HTTP. */
  readonly tcpPorts?: readonly number[]
}

/**
 * Who may call a workload for which these policies are (Istio reference: AuthorizationPolicy; authorization for TCP traffic). Of a connection what is asked of requests is unknown: an ALLOW
 * rule that asks it allows nothing, any other holds without it.
 */
export const compileAccess = (
  view: MeshView,
  { policies: key, namespace: clientNamespace, tcpPorts = [] }: AccessPlace,
  of: RulePlace['of'],
  report: Report,
): Access => {
  const policies = findAuthorizations(view, key)
  const domains = { trustDomain: view.settings().trustDomain, aliases: view.meshConfig().trustDomainAliases }
  const select = (action: AuthorizationPolicySpec['action'], dryRun: boolean): readonly AuthorizationPolicy[] =>
    policies.filter((policy) => policy.spec.action === action && isDryRun(policy) === dryRun)
  const compile = (selected: readonly AuthorizationPolicy[], elsewhere: RulePlace['elsewhere']): AccessRule[] =>
    selected.flatMap((policy) => {
      const { namespace } = policy.metadata
      return policy.spec.rules.flatMap((rule, index) => {
        const compiled = compileAccessRule(rule, { namespace, domains, of, elsewhere })
        return compiled ? [{ name: toRuleName(policy, index, policies), object: objectKeyOf(policy), ...compiled }] : []
      })
    })
  const toAllowed = (selected: readonly AuthorizationPolicy[]): Pick<Access, 'allow'> =>
    selected.length > 0 ? { allow: compile(selected, 'nothing') } : {}
  const toDelegated = (selected: readonly AuthorizationPolicy[]): Pick<Access, 'delegated'> => {
    if (selected.length === 0) return {}
    const found = compileAuthorizer(view, selected, clientNamespace, report)
    const isAskable = found && (of === 'requests' || found.speaks.protocol === 'grpc')
    if (found && !isAskable) reportUnaskable(selected, tcpPorts, report)
    return { delegated: { rules: compile(selected, 'the-rest'), ...(isAskable && { authorizer: found }) } }
  }
  return {
    ...toDelegated(select('CUSTOM', false)),
    audit: compile(select('AUDIT', false), 'the-rest'),
    deny: compile(select('DENY', false), 'the-rest'),
    ...toAllowed(select('ALLOW', false)),
    dryRun: { deny: compile(select('DENY', true), 'the-rest'), ...toAllowed(select('ALLOW', true)) },
  }
}

/** Of connections; nothing where nobody is asked anything of them. */
export const compileConnectionAccess = (
  view: MeshView,
  place: AccessPlace,
  report: Report,
): { readonly access?: Access } =>
  place.policies === '' ? {} : { access: compileAccess(view, place, 'connections', report) }

/** Whether somebody else decides. */
export const asksProvider = (view: Pick<MeshView, 'authorizationPolicies'>, key: AuthorizationKey): boolean =>
  findAuthorizations(view, key).some(({ spec }) => spec.action === 'CUSTOM')

/** Whether somebody is judged by the name that TLS asks for: that has to be sniffed. */
export const asksServerName = (view: Pick<MeshView, 'authorizationPolicies'>, key: AuthorizationKey): boolean =>
  findAuthorizations(view, key).some(({ spec }) =>
    spec.rules.some((rule) => rule.when.some((condition) => condition.key === 'connection.sni')),
  )

/** Istio's name. Where the mesh and the cluster have an object of one key, the cluster's says that it is. */
const toRuleName = (policy: AuthorizationPolicy, index: number, policies: readonly AuthorizationPolicy[]): string => {
  const { namespace, name } = policy.metadata
  const isShared =
    policy.origin === 'cluster' &&
    policies.some((other) => other.origin !== 'cluster' && objectKeyOf(other) === objectKeyOf(policy))
  return toAccessRuleName({ namespace, name, index, isOfCluster: isShared })
}
