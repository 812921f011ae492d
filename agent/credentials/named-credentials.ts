import { toCredentialKey } from '#mesh/config/schema/credential-name.ts'
import type { ServerTls } from '#mesh/config/schema/server-tls.ts'
import type { MeshView } from '#mesh/view.ts'
import { toWorkloadKey } from '#mesh/workload.ts'
import { selectGateways } from '#xds/compile/select-gateways.ts'
import type { Proxy } from '#xds/proxy.ts'

/** What a server of a Gateway that selects a proxy here names by `credentialName`. */
export interface NamedCredential {
  /** "<namespace>/<name>" of the Gateway. */
  readonly gateway: string
  readonly port: string
  /** "<namespace>/<name>" of the Secret. */
  readonly secret: string
  readonly part: 'certificate' | 'authorities'
}

/** What the Gateways name that select these proxies. Secrets of other namespaces than a proxy's are not for it, and not among these. */
export const findNamedCredentials = (
  view: Pick<MeshView, 'workload' | 'gatewaySelectors' | 'gatewayObject'>,
  gateways: Iterable<Proxy>,
): readonly NamedCredential[] => {
  const found = [...gateways].flatMap(({ namespace, workload: name }) => {
    const workload = view.workload(toWorkloadKey(namespace, name))
    return workload ? selectGateways(view, workload).flatMap((gateway) => toNamed(view, gateway, namespace)) : []
  })
  return [...new Map(found.map((each) => [JSON.stringify(each), each])).values()]
}

const toNamed = (view: Pick<MeshView, 'gatewayObject'>, gateway: string, namespace: string): NamedCredential[] =>
  (view.gatewayObject(gateway)?.spec.servers ?? []).flatMap(({ port, tls }) =>
    (tls ? toParts(tls) : [])
      .map(({ name, part }) => ({ gateway, port: port.name, secret: toCredentialKey(name, namespace), part }))
      .filter(({ secret }) => secret.startsWith(`${namespace}/`)),
  )

const toParts = (tls: ServerTls): { readonly name: string; readonly part: NamedCredential['part'] }[] => {
  const { mode, credentialName, credentialNames = [], caCertCredentialName } = tls
  const names = credentialNames.length > 0 ? credentialNames : credentialName === undefined ? [] : [credentialName]
  const verifier = mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL' ? (caCertCredentialName ?? names[0]) : undefined
  return [
    ...names.map((name) => ({ name, part: 'certificate' as const })),
    ...(verifier === undefined ? [] : [{ name: verifier, part: 'authorities' as const }]),
  ]
}
