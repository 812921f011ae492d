import { selectsClient, toRuleSelector } from '#mesh/client-selectors.ts'
import { toObjectKey, type Configured } from '#mesh/config-object.ts'
import type { DestinationRuleSpec } from '#mesh/config/destination-rule.ts'
import { toCredentialKey } from '#mesh/config/schema/credential-name.ts'
import type { ServerTls } from '#mesh/config/schema/server-tls.ts'
import type { TrafficPolicy } from '#mesh/config/schema/traffic-policy.ts'
import type { MeshView } from '#mesh/view.ts'
import { isExportedTo } from '#mesh/merge/is-exported-to.ts'
import { toPolicyLevels } from '#mesh/policy-levels.ts'
import { toWorkloadKey, type Workload } from '#mesh/workload.ts'
import { selectGateways } from '#xds/compile/select-gateways.ts'
import type { Proxy } from '#xds/proxy.ts'

/** What a Gateway that selects a proxy here, or a DestinationRule that holds for one, names by `credentialName`. */
export interface NamedCredential {
  /** "<kind>/<namespace>/<name>" of who names it. */
  readonly object: string
  /** Where in it. */
  readonly place: string
  /** "<namespace>/<name>" of the Secret. */
  readonly secret: string
  readonly part: 'certificate' | 'authorities'
}

/**
 * What is named for these proxies, which are gateways. Secrets of other namespaces than a proxy's are not for it, and not among these.
 * Whether a proxy calls the host of a DestinationRule is left open.
 */
export const findNamedCredentials = (
  view: Pick<MeshView, 'workload' | 'gatewaySelectors' | 'gatewayObject' | 'meshConfig'>,
  rules: readonly Configured<DestinationRuleSpec>[],
  gateways: Iterable<Proxy>,
): readonly NamedCredential[] => {
  const found = [...gateways].flatMap(({ namespace, workload: name }) => {
    const workload = view.workload(toWorkloadKey(namespace, name))
    if (!workload) return []
    return [
      ...selectGateways(view, workload).flatMap((gateway) => toNamedByGateway(view, gateway, namespace)),
      ...rules.filter((rule) => holdsFor(view, rule, workload)).flatMap((rule) => toNamedByRule(rule, namespace)),
    ].filter(({ secret }) => secret.startsWith(`${namespace}/`))
  })
  return [...new Map(found.map((each) => [JSON.stringify(each), each])).values()]
}

const toNamedByGateway = (
  view: Pick<MeshView, 'gatewayObject'>,
  gateway: string,
  namespace: string,
): NamedCredential[] =>
  (view.gatewayObject(gateway)?.spec.servers ?? []).flatMap(({ port, tls }) =>
    (tls ? toParts(tls) : []).map(({ name, part }) => ({
      object: `Gateway/${gateway}`,
      place: `server ${port.name}`,
      secret: toCredentialKey(name, namespace),
      part,
    })),
  )

const holdsFor = (
  view: Pick<MeshView, 'meshConfig'>,
  rule: Configured<DestinationRuleSpec>,
  workload: Workload,
): boolean => {
  const selector = toRuleSelector(rule)
  if (selector) return selectsClient(selector, workload)
  const { defaultDestinationRuleExportTo: byDefault } = view.meshConfig()
  return isExportedTo(rule.spec.exportTo, rule.metadata.namespace, workload.namespace, byDefault)
}

const toNamedByRule = ({ metadata, spec }: Configured<DestinationRuleSpec>, namespace: string): NamedCredential[] =>
  toPolicyLevels<Pick<TrafficPolicy, 'tls'>>(spec).flatMap(({ tls }) => {
    if (tls?.credentialName === undefined || (tls.mode !== 'SIMPLE' && tls.mode !== 'MUTUAL')) return []
    const parts = [
      ...(tls.mode === 'MUTUAL' ? (['certificate'] as const) : []),
      ...(tls.insecureSkipVerify ? [] : (['authorities'] as const)),
    ]
    const object = toObjectKey('DestinationRule', metadata.namespace, metadata.name)
    const secret = toCredentialKey(tls.credentialName, namespace)
    return parts.map((part) => ({ object, place: 'tls', secret, part }))
  })

const toParts = (tls: ServerTls): { readonly name: string; readonly part: NamedCredential['part'] }[] => {
  const { mode, credentialName, credentialNames = [], caCertCredentialName } = tls
  const names = credentialNames.length > 0 ? credentialNames : credentialName === undefined ? [] : [credentialName]
  const verifier = mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL' ? (caCertCredentialName ?? names[0]) : undefined
  return [
    ...names.map((name) => ({ name, part: 'certificate' as const })),
    ...(verifier === undefined ? [] : [{ name: verifier, part: 'authorities' as const }]),
  ]
}
