import { authorizationPolicy } from '#mesh/config/authorization-policy.ts'
import { objectKeyOf, type ConfigObject } from '#mesh/config-object.ts'
import type { MeshView } from '#mesh/view.ts'
import type { ProxyPolicies } from '#mesh/security/proxy-policies.ts'
import { selectAuthorizations } from '#mesh/security/select-authorizations.ts'
import { buildAccessRules } from '#xds/build/build-access.ts'
import { compileAccess } from '#xds/compile/compile-access.ts'
import { changeAccess } from './change-access.ts'
import { judgeAccess, type AccessJudge, type Verdict } from './judge-access.ts'
import { readRecord, type RecordedCall } from './read-record.ts'

/** A called proxy, as it is served now. */
export interface EffectedProxy {
  readonly namespace: string
  readonly judges: readonly AccessJudge[]
  readonly policies: ProxyPolicies
}

/** What becomes of a call that was seen. */
export interface Effect {
  readonly before: Verdict['outcome']
  readonly after: Verdict
}

/** What proposed policies would make of requests to a proxy; `proposed` is a mesh that has these, and no others. Undefined: they change nothing for it. */
export const foretellEffect = (
  proposed: MeshView,
  objects: readonly ConfigObject[],
  { namespace, judges, policies }: EffectedProxy,
): ((record: RecordedCall) => Effect) | undefined => {
  const changed = objects.filter(({ kind }) => kind === authorizationPolicy.kind)
  const keys: readonly string[] = changed.map(objectKeyOf)
  const place = {
    locality: '',
    network: proposed.localNetwork,
    cluster: proposed.localCluster,
    labels: policies.labels,
  }
  const selected = selectAuthorizations(proposed, namespace, place)
  const had = policies.authorizations.filter(({ object, origin }) => origin === 'mesh' && keys.includes(object))
  if (selected === '' && had.length === 0) return undefined
  const others = policies.authorizations.filter((each) => !had.includes(each))
  const after = changeAccess(judges, {
    policies: changed.map(({ metadata }) => metadata),
    added: buildAccessRules(compileAccess(proposed, { namespace, policies: selected }, 'requests', () => {})),
    hasOtherAllows: others.some(({ action, dryRun }) => action === 'ALLOW' && !dryRun),
  })
  const { trustDomain } = proposed.settings()
  return (record) => {
    const call = readRecord(record, trustDomain, policies.tokens.length > 0)
    const now = judgeAccess(judges, call).outcome
    const told = record.policy_verdict === undefined ? 'allowed' : 'denied'
    return { before: now === 'not-known' ? told : now, after: judgeAccess(after, call) }
  }
}
