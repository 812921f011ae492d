import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import {
  PolicySchema,
  RBAC_Action as Action,
  RBACSchema as RulesSchema,
  type RBAC as Rules,
} from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import { ExtAuthzSchema as HttpExtAuthzSchema } from '#envoy/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts'
import { RBACSchema as HttpRbacSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import { ExtAuthzSchema as NetworkExtAuthzSchema } from '#envoy/envoy/extensions/filters/network/ext_authz/v3/ext_authz_pb.ts'
import { RBACSchema as NetworkRbacSchema } from '#envoy/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { Access, AccessRule, Delegated } from '#xds/model/access.ts'
import type { Fallback } from '#xds/resource-set.ts'
import { accessFilterNames, delegationFilterNames, type AccessFilter } from './access-filters.ts'
import { toAny } from './any.ts'
import { buildAuthorizer, buildConnectionAuthorizer, markedRulePrefix, markPrefix } from './build-authorizer.ts'
import { buildPermission, buildPrincipal } from './build-conditions.ts'
import { buildDiscovered } from './discovered-filter.ts'
import type { MessageFields } from './message-fields.ts'

/** What one filter does: rules that hold, and rules whose verdict is told alone. */
interface Judgement {
  readonly action: Action
  /** Absent: it lets everybody through. */
  readonly rules?: readonly AccessRule[] | undefined
  readonly dryRun?: readonly AccessRule[] | undefined
}

const toJudgements = ({ audit, deny, allow, dryRun }: Access): Readonly<Record<AccessFilter, Judgement>> => ({
  audit: { action: Action.LOG, dryRun: toSome(audit) },
  deny: { action: Action.DENY, rules: toSome(deny), dryRun: toSome(dryRun.deny) },
  allow: { action: Action.ALLOW, rules: allow, dryRun: dryRun.allow },
})

const toSome = (rules: readonly AccessRule[]): readonly AccessRule[] | undefined =>
  rules.length > 0 ? rules : undefined

/** What the filters of access do in a proxy's listeners. What it refuses of that is replaced by what lets nobody in. */
export const buildAccessFilters = (access: Access): readonly UnitResource[] => [
  ...buildDelegation(access.delegated),
  ...Object.entries(toJudgements(access)).map(([filter, judgement]) =>
    buildJudgement(accessFilterNames[filter as AccessFilter], judgement),
  ),
]

/** The rules that hold, in the order in which they are asked, and those by which somebody else is. */
export const buildAccessRules = (
  access: Access,
): readonly ({ readonly rules: Rules } | { readonly asking: Rules })[] => [
  ...(access.delegated ? [{ asking: buildRules(Action.DENY, access.delegated.rules) }] : []),
  ...Object.values(toJudgements(access)).flatMap(({ action, rules }) =>
    rules ? [{ rules: buildRules(action, rules) }] : [],
  ),
]

const buildJudgement = (name: string, judgement: Judgement): UnitResource => {
  const built = buildFilter(name, judgement)
  const { action, rules, dryRun } = judgement
  if (!rules && !dryRun) return built
  const fallbacks = (reason: string): readonly Fallback[] => {
    const leave = (left: readonly AccessRule[], instead: Judgement): Fallback => ({
      resource: buildFilter(name, instead).resource,
      without: toBlamed(left, reason).map((object) => ({ object, reason })),
    })
    // What only tells is no reason to let nobody in.
    const untold: readonly Fallback[] = dryRun ? [{ ...leave(dryRun, { action, rules }), isTrial: true }] : []
    return [...untold, leave([...(rules ?? []), ...(dryRun ?? [])], toNobody(action))]
  }
  return { ...built, resource: { ...built.resource, fallbacks } }
}

/**
 * Who is asked about is marked first, whoever asks: so that nobody slips through between two filters that change one after the other, there is always one that asks, or
 * that says no.
 */
const buildDelegation = (delegated: Delegated | undefined): readonly UnitResource[] => {
  const { mark, ask } = delegationFilterNames
  if (!delegated) return [buildFilter(mark, nothing), buildFilter(ask, nothing)]
  const { rules, authorizer } = delegated
  const refusal = buildJudgement(ask, { action: Action.DENY, rules })
  const blame = (reason: string) => toBlamed(rules, reason).map((object) => ({ object, reason }))
  const marking = buildDiscovered(mark, HttpRbacSchema, buildMarks(rules))
  const unmarked = (reason: string): readonly Fallback[] => [
    { resource: buildFilter(mark, toNobody(Action.DENY)).resource, without: blame(reason) },
  ]
  const asking = authorizer && buildDiscovered(ask, HttpExtAuthzSchema, buildAuthorizer(authorizer))
  const unasked = (reason: string): readonly Fallback[] => [{ resource: refusal.resource, without: blame(reason) }]
  return [
    { ...marking, resource: { ...marking.resource, fallbacks: unmarked } },
    asking ? { ...asking, resource: { ...asking.resource, fallbacks: unasked } } : refusal,
  ]
}

const nothing: Judgement = { action: Action.DENY }

/** They keep nobody out. */
const buildMarks = (rules: readonly AccessRule[]) => ({
  shadowRules: buildRules(
    Action.DENY,
    rules.map((rule) => ({ ...rule, name: `${markedRulePrefix}-${rule.name}` })),
  ),
  shadowRulesStatPrefix: markPrefix,
})

const buildFilter = (name: string, { action, rules, dryRun }: Judgement): UnitResource =>
  buildDiscovered(name, HttpRbacSchema, {
    ...(rules && { rules: buildRules(action, rules) }),
    ...(dryRun && { shadowRules: buildRules(action, dryRun), shadowRulesStatPrefix: dryRunPrefix[action] }),
  })

/** What begins the statistics of rules that are only told, and the metadata by which records tell them. Those of dry runs are Istio's. */
export const dryRunPrefix: Readonly<Record<Action, string>> = {
  [Action.ALLOW]: 'istio_dry_run_allow_',
  [Action.DENY]: 'istio_dry_run_deny_',
  [Action.LOG]: 'atoll_audit_',
}

const everybody: AccessRule = {
  name: 'refused-by-the-proxy',
  object: '',
  who: [{ kind: 'any' }],
  what: [{ kind: 'any' }],
}

/** Where it cannot be told who may call. Who is only marked may call all the same. */
const toNobody = (action: Action): Judgement => {
  if (action === Action.LOG) return { action }
  return { action, rules: action === Action.DENY ? [everybody] : [] }
}

/** Envoy may name the rule that it does not take. */
const toBlamed = (rules: readonly AccessRule[], reason: string): readonly string[] => {
  const named = rules.filter(({ name }) => reason.includes(name))
  return [...new Set((named.length > 0 ? named : rules).map(({ object }) => object))]
}

const buildRules = (action: Action, rules: readonly AccessRule[]): Rules =>
  create(RulesSchema, {
    action,
    policies: Object.fromEntries(
      rules.map(({ name, who, what }) => [
        name,
        create(PolicySchema, { permissions: what.map(buildPermission), principals: who.map(buildPrincipal) }),
      ]),
    ),
  })

/** The same for a connection, of which nothing is known but what it is: filters in their order. */
export const buildConnectionFilters = (access: Access, statPrefix: string): readonly ConnectionFilter[] => [
  ...buildConnectionDelegation(access.delegated, `${statPrefix}.`),
  ...Object.values(toJudgements(access)).flatMap(({ action, rules, dryRun }) =>
    rules || dryRun
      ? toConnectionRules({
          statPrefix: `${statPrefix}.`,
          ...(rules && { rules: buildRules(action, rules) }),
          ...(dryRun && { shadowRules: buildRules(action, dryRun), shadowRulesStatPrefix: dryRunPrefix[action] }),
        })
      : [],
  ),
]

interface ConnectionFilter {
  readonly name: string
  readonly config: Any
}

const toConnectionRules = (fields: MessageFields<typeof NetworkRbacSchema>): ConnectionFilter => ({
  name: 'envoy.filters.network.rbac',
  config: toAny(NetworkRbacSchema, fields),
})

const buildConnectionDelegation = (
  delegated: Delegated | undefined,
  statPrefix: string,
): readonly ConnectionFilter[] => {
  if (!delegated) return []
  const { rules, authorizer } = delegated
  if (!authorizer) return [toConnectionRules({ statPrefix, rules: buildRules(Action.DENY, rules) })]
  return [
    toConnectionRules({ statPrefix, ...buildMarks(rules) }),
    {
      name: 'envoy.filters.network.ext_authz',
      config: toAny(NetworkExtAuthzSchema, buildConnectionAuthorizer(authorizer, statPrefix)),
    },
  ]
}
