import { parseCredentialKey, toCredentialKey } from '../config/schema/credential-name.ts'
import { hasLabels } from '../has-labels.ts'
import type { Problem } from '../problem.ts'
import { withoutTopology } from '../topology.ts'
import { problemOf, type AnalyzedObjects } from './analyzed-objects.ts'
import type { KnownMesh } from './known-mesh.ts'

/**
 * Certificates of Gateways that are in no Secret of a namespace where their proxies run. Says nothing of namespaces
 * whose Secrets are not known, nor where the workloads are not. Where workloads are is not: of a Gateway for one place any of those with its other
 * labels may be the proxies, so that a certificate is missed for certain only where all of their namespaces lack it.
 */
export const findAbsentSecrets = (
  { gateways }: AnalyzedObjects,
  { workloads, secrets }: KnownMesh,
): readonly Problem[] => {
  if (!workloads || !secrets) return []
  return gateways.flatMap((gateway) => {
    const { selector = {}, servers } = gateway.spec
    const carried = withoutTopology(selector)
    const isForPlace = Object.keys(carried).length < Object.keys(selector).length
    const selected = workloads.filter(({ labels }) => hasLabels(labels, carried))
    const namespaces = [...new Set(selected.map(({ namespace }) => namespace))]
    return servers.flatMap(({ tls }, index) => {
      const named: readonly (readonly [readonly PropertyKey[], string])[] = [
        ...(tls?.credentialName === undefined ? [] : [[['credentialName'], tls.credentialName] as const]),
        ...(tls?.credentialNames ?? []).map((name, each) => [['credentialNames', each], name] as const),
      ]
      return named.flatMap(([field, name]) => {
        const keys = namespaces.map((each) => toCredentialKey(name, each))
        const isAbsent = (key: string) =>
          !secrets.keys.has(key) && secrets.namespaces.has(parseCredentialKey(key).namespace)
        const absent = keys.find(isAbsent)
        if (absent === undefined || (isForPlace && !keys.every(isAbsent))) return []
        const path = ['spec', 'servers', index, 'tls', ...field]
        return [
          problemOf(
            gateway,
            'dangling_reference',
            'warning',
            path,
            `no Secret here is ${absent}, where its proxies run`,
          ),
        ]
      })
    })
  })
}
