import { create } from '@bufbuild/protobuf'
import type { Any } from '@bufbuild/protobuf/wkt'
import {
  PolicySchema,
  RBAC_Action as Action,
  RBACSchema as RulesSchema,
  type RBAC as Rules,
} from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import { RBACSchema as HttpRbacSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import { RBACSchema as NetworkRbacSchema } from '#envoy/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { Access, AccessRule } from '#xds/model/access.ts'
import type { Fallback } from '#xds/resource-set.ts'
import { accessFilterNames, type AccessFilter } from './access-filters.ts'
import { toAny } from './any.ts'
import { buildPermission, buildPrincipal } from './build-conditions.ts'
import { buildDiscovered } from './discovered-filter.ts'

/** What one filter does: rules that hold, and rules whose verdict is told alone. */
interface Judgement {
  readonly action: Action
  /** Absent: it lets everybody through. */
  readonly rules?: readonly AccessRule[] | undefined
  readonly dryRun?: readonly AccessRule[] | undefined
}

const toJudgements = ({ audit, deny, allow, dryRun }: Access): Readonly<Record<AccessFilter, Judgement>> => ({
  audit: { action: Action.LOG, rules: toSome(audit) },
  deny: { action: Action.DENY, rules: toSome(deny), dryRun: toSome(dryRun.deny) },
  allow: { action: Action.ALLOW, rules: allow, dryRun: dryRun.allow },
})

const toSome = (rules: readonly AccessRule[]): readonly AccessRule[] | undefined =>
  rules.length > 0 ? rules : undefined

/** What the filters of access do in a proxy's listeners. What it refuses of that is replaced by what lets nobody in. */
export const buildAccessFilters = (access: Access): readonly UnitResource[] =>
  Object.entries(toJudgements(access)).map(([filter, judgement]) => {
    const name = accessFilterNames[filter as AccessFilter]
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
  })

const buildFilter = (name: string, { action, rules, dryRun }: Judgement): UnitResource =>
  buildDiscovered(name, HttpRbacSchema, {
    ...(rules && { rules: buildRules(action, rules) }),
    ...(dryRun && { shadowRules: buildRules(action, dryRun), shadowRulesStatPrefix: dryRunPrefix[action] }),
  })

/** Istio's. */
const dryRunPrefix: Readonly<Record<Action, string>> = {
  [Action.ALLOW]: 'istio_dry_run_allow_',
  [Action.DENY]: 'istio_dry_run_deny_',
  [Action.LOG]: '',
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

/** The same for a connection, of which nothing is known but what it is: one filter for each judgement, in their order. */
export const buildConnectionFilters = (access: Access, statPrefix: string): readonly Any[] =>
  Object.values(toJudgements(access)).flatMap(({ action, rules, dryRun }) =>
    rules || dryRun
      ? toAny(NetworkRbacSchema, {
          statPrefix: `${statPrefix}.`,
          ...(rules && { rules: buildRules(action, rules) }),
          ...(dryRun && { shadowRules: buildRules(action, dryRun), shadowRulesStatPrefix: dryRunPrefix[action] }),
        })
      : [],
  )
