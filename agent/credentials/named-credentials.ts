import { findClientAuthentications, selectClientAuthentications } from '#mesh/security/select-client-authentications.ts'
import { selectsClient, toRuleSelector } from '#mesh/client-selectors.ts'
import { toObjectKey, type Configured } from '#mesh/config-object.ts'
import type { DestinationRuleSpec } from '#mesh/config/destination-rule.ts'
import { parseCredentialKey, toCredentialKey } from '#mesh/config/schema/credential-name.ts'
import type { ServerTls } from '#mesh/config/schema/server-tls.ts'
import type { TrafficPolicy } from '#mesh/config/schema/traffic-policy.ts'
import type { MeshView } from '#mesh/view.ts'
import { distinctData } from '#mesh/merge/distinct-data.ts'
import { isExportedTo } from '#mesh/merge/is-exported-to.ts'
import { toPolicyLevels } from '#mesh/policy-levels.ts'
import { placeOf, toWorkloadKey, type Workload } from '#mesh/workload.ts'
import { compileAdmission } from '#xds/compile/compile-admission.ts'
import { selectGateways } from '#xds/compile/select-gateways.ts'
import type { Admission } from '#xds/model/admission.ts'
import type { Proxy } from '#xds/proxy.ts'
import type { NamedPart } from './credential-parts.ts'

type Rule = Configured<DestinationRuleSpec>

/** What a Gateway that selects a proxy here, or a DestinationRule that holds for one, names by `credentialName`; what a ClientAuthentication names. */
export interface NamedCredential {
  /** "<kind>/<namespace>/<name>" of who names it. */
  readonly object: string
  /** Where in it. */
  readonly place: string
  /** "<namespace>/<name>" of the Secret. */
  readonly secret: string
  readonly part: NamedPart
  /** "<namespace>/<name>" of the service account that has to be one that may read Secrets; absent = whoever the proxy is. */
  readonly reader?: string
  /** Of what clients are known by: what is done with it. */
  readonly admission?: Admission
}

/**
 * What is named for a proxy, if it is a gateway or a sidecar. Secrets of other namespaces than its own are not for it, and not among
 * these. Whether it calls the host of a DestinationRule is left open.
 */
export const findNamedCredentials = (
  view: Pick<
    MeshView,
    'localCluster' | 'workload' | 'gatewaySelectors' | 'gatewayObject' | 'meshConfig' | 'clientAuthentications'
  >,
  rules: readonly Rule[],
  proxy: Proxy,
): readonly NamedCredential[] => {
  const { role, namespace } = proxy
  const mayBeNamed = role === 'gateway' || rules.length > 0 || view.clientAuthentications(namespace).length > 0
  if (role === 'east-west-gateway' || !mayBeNamed) return []
  const workload = view.workload(toWorkloadKey(namespace, proxy.workload))
  if (!workload) return []
  const named =
    role === 'gateway' ? findForGateway(view, rules, workload) : findForSidecar(view, rules, workload, proxy)
  return distinctData([
    ...named.filter(({ secret }) => parseCredentialKey(secret).namespace === namespace),
    ...findForClients(view, workload, proxy),
  ])
}

const findForGateway = (
  view: Parameters<typeof findNamedCredentials>[0],
  rules: readonly Rule[],
  workload: Workload,
): NamedCredential[] => [
  ...selectGateways(view, workload).flatMap((gateway) => toNamedByGateway(view, gateway, workload.namespace)),
  ...rules.filter((rule) => holdsFor(view, rule, workload)).flatMap((rule) => toNamedByRule(rule, workload.namespace)),
]

/** Istio: rules that select it alone, and of keys only what its account may read. Whom to trust is no secret, unless it goes with a key. */
const findForSidecar = (
  view: Pick<MeshView, 'localCluster'>,
  rules: readonly Rule[],
  workload: Workload,
  { serviceAccount }: Proxy,
): NamedCredential[] =>
  rules
    .filter((rule) => isSelecting(view, rule, workload))
    .flatMap((rule) => toNamedByRule(rule, workload.namespace))
    .map((each) =>
      each.part === 'client-authorities' ? each : { ...each, reader: `${workload.namespace}/${serviceAccount}` },
    )

/** A sidecar has the keys of clients only where its account may read them: an object that selects its workload need not be of who runs it. */
const findForClients = (
  view: Pick<MeshView, 'localCluster' | 'clientAuthentications'>,
  workload: Workload,
  { role, serviceAccount }: Proxy,
): NamedCredential[] => {
  const { namespace } = workload
  const place = placeOf(workload, view.localCluster)
  const admission = compileAdmission(
    findClientAuthentications(view, selectClientAuthentications(view, namespace, place)),
  )
  if (admission === undefined || admission === 'closed') return []
  const { object, secretName, keys } = admission
  return [
    {
      object,
      place: keys ? 'apiKeys' : 'basic',
      secret: `${namespace}/${secretName}`,
      part: keys ? 'api-keys' : 'users',
      ...(role === 'sidecar' && { reader: `${namespace}/${serviceAccount}` }),
      admission,
    },
  ]
}

const isSelecting = (
  { localCluster: cluster }: Pick<MeshView, 'localCluster'>,
  rule: Rule,
  workload: Workload,
): boolean => {
  const selector = toRuleSelector(rule)
  return (
    selector !== undefined && selectsClient(selector, { namespace: workload.namespace, ...placeOf(workload, cluster) })
  )
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

const holdsFor = (view: Pick<MeshView, 'localCluster' | 'meshConfig'>, rule: Rule, workload: Workload): boolean => {
  if (toRuleSelector(rule)) return isSelecting(view, rule, workload)
  const { defaultDestinationRuleExportTo: byDefault } = view.meshConfig()
  return isExportedTo(rule.spec.exportTo, rule.metadata.namespace, workload.namespace, byDefault)
}

type OwnTls = Pick<TrafficPolicy, 'tls'>

const toNamedByRule = ({ metadata, spec }: Rule, namespace: string): NamedCredential[] =>
  toPolicyLevels<OwnTls>(spec).flatMap(({ tls }) => {
    if (tls?.credentialName === undefined || (tls.mode !== 'SIMPLE' && tls.mode !== 'MUTUAL')) return []
    const isMutual = tls.mode === 'MUTUAL'
    const parts = [
      ...(isMutual ? (['client-certificate'] as const) : []),
      ...(tls.insecureSkipVerify ? [] : [isMutual ? ('mutual-authorities' as const) : ('client-authorities' as const)]),
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
