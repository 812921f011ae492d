import { toCredentialKey } from '../config/schema/credential-name.ts'
import { isPassthrough, type ServerTls } from '../config/schema/server-tls.ts'
import { distinctData } from '../merge/distinct-data.ts'
import type { Problem } from '../problem.ts'
import { withoutTopology } from '../topology.ts'
import { problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import type { KnownMesh } from './known-mesh.ts'
import { LabelIndex } from './label-index.ts'
import { findSecretFault, type SecretPart } from './secret-fault.ts'

/**
 * Certificates and authorities of Gateways that are in no Secret of a namespace where their proxies run, or in one that does not hold them. Says
 * nothing of namespaces whose Secrets are not known, nor where the workloads are not. Where workloads are is not: of a Gateway for one place any of
 * those with its other labels may be the proxies, so that a certificate is missed for certain only where all of their namespaces lack it.
 */
export const findGatewayCredentialProblems = (
  { gateways }: AnalyzedObjects,
  { workloads, secrets }: KnownMesh,
): readonly Problem[] => {
  if (!workloads || !secrets) return []
  const byLabels = new LabelIndex(workloads, ({ labels }) => labels)
  return gateways.flatMap((gateway) => {
    const { selector = {}, servers } = gateway.spec
    const carried = withoutTopology(selector)
    const isForPlace = Object.keys(carried).length < Object.keys(selector).length
    const namespaces = [...new Set(byLabels.select(carried).map(({ namespace }) => namespace))]
    const problems = servers.flatMap(({ tls }, index) =>
      (tls ? findNamed(tls) : []).flatMap(({ field, name, part }) => {
        const faults = namespaces.map((each) => findSecretFault(secrets, toCredentialKey(name, each), part))
        const fault = faults.find((each) => each !== undefined)
        if (fault === undefined || (isForPlace && faults.includes(undefined))) return []
        return [problemOf(gateway, 'dangling_reference', 'warning', ['spec', 'servers', index, 'tls', ...field], fault)]
      }),
    )
    // A Secret that is not there lacks the certificate and the authorities.
    return distinctData(problems)
  })
}

interface Named {
  readonly field: readonly PropertyKey[]
  readonly name: string
  readonly part: SecretPart
}

const findNamed = (tls: ServerTls): readonly Named[] => {
  if (isPassthrough(tls)) return []
  const { mode, credentialName, credentialNames = [], caCertCredentialName } = tls
  const certificates: readonly Named[] = [
    ...(credentialName === undefined
      ? []
      : [{ field: ['credentialName'], name: credentialName, part: 'certificate' as const }]),
    ...credentialNames.map((name, each) => ({
      field: ['credentialNames', each],
      name,
      part: 'certificate' as const,
    })),
  ]
  if (mode === 'SIMPLE') return certificates
  const authorities =
    caCertCredentialName === undefined
      ? certificates[0]
      : { field: ['caCertCredentialName'], name: caCertCredentialName }
  return authorities ? [...certificates, { ...authorities, part: 'authorities' }] : certificates
}
