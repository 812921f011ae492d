import { X509Certificate } from 'node:crypto'
import { fromBinary } from '@bufbuild/protobuf'
import type { ClusterIdentity, HeldSecrets } from '#agent/identity/cluster-identity.ts'
import { SecretSchema } from '#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts'
import type { WorkloadIdentity } from '#mesh/identity.ts'
import { toPeerFacts } from '#mesh/telemetry/peer-facts.ts'
import { secretNames } from '#xds/proxy.ts'
import type { ResourceSet } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'

/** The secrets of a proxy, with its leaf if it can have one. */
export const attach = async (
  identity: ClusterIdentity,
  account: WorkloadIdentity,
  workload: Parameters<typeof toPeerFacts>[0] = { name: 'reviews', labels: {} },
): Promise<HeldSecrets> => {
  const held = identity.attach(account, toPeerFacts(workload))
  await held.ready
  return held
}

const secretIn = (sets: readonly ResourceSet[], name: string) => {
  const resource = sets.map((set) => set.get(typeUrls.secret, name)).find((found) => found !== undefined)
  return resource && fromBinary(SecretSchema, resource.body)
}

export const leafIn = (sets: readonly ResourceSet[]): X509Certificate | undefined => {
  const secret = secretIn(sets, secretNames.identity)
  const chain = secret?.type.case === 'tlsCertificate' ? secret.type.value.certificateChain?.specifier.value : undefined
  return chain === undefined ? undefined : new X509Certificate(chain)
}

export const trustIn = (sets: readonly ResourceSet[], name: string) => {
  const secret = secretIn(sets, name)
  if (secret?.type.case !== 'validationContext') return undefined
  const { trustedCa, matchTypedSubjectAltNames } = secret.type.value
  return {
    anchors: String(trustedCa?.specifier.value ?? '').match(/BEGIN CERTIFICATE/g)?.length ?? 0,
    names: matchTypedSubjectAltNames.map(({ matcher }) => matcher?.matchPattern.value),
  }
}

/** The subject of the first CA. */
export const anchorIn = (sets: readonly ResourceSet[], name: string): string | undefined => {
  const secret = secretIn(sets, name)
  const pem = secret?.type.case === 'validationContext' ? secret.type.value.trustedCa?.specifier.value : undefined
  return pem === undefined ? undefined : new X509Certificate(pem).subject
}
