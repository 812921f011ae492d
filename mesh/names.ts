import { z } from 'zod'

/**
 * The names that get mixed up, each a branded string with one parser.
 * Labels follow RFC 1123 (what Kubernetes calls a DNS label), host names RFC 1123 subdomains.
 */

const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/
const subdomain = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$/

const dnsLabel = (what: string) =>
  z
    .string()
    .regex(
      label,
      `${what} must be a DNS label: at most 63 of a-z, 0-9 and "-", starting and ending with a letter or digit`,
    )
const dnsSubdomain = (what: string) =>
  z
    .string()
    .max(253, `${what} is longer than 253 characters`)
    .regex(subdomain, `${what} must be a DNS name in lower case, such as example.org`)

export const meshName = dnsLabel('a mesh name').brand<'MeshName'>()
export type MeshName = z.infer<typeof meshName>

export const clusterName = dnsLabel('a cluster name').brand<'ClusterName'>()
/** A Kubernetes or universal cluster of the mesh; never an Envoy cluster. */
export type ClusterName = z.infer<typeof clusterName>

export const networkName = dnsLabel('a network name').brand<'NetworkName'>()
/** A set of addresses that reach each other directly. */
export type NetworkName = z.infer<typeof networkName>

export const trustDomain = dnsSubdomain('a trust domain').brand<'TrustDomain'>()
/** The SPIFFE trust domain of a mesh (SPIFFE-ID §2.1). */
export type TrustDomain = z.infer<typeof trustDomain>

export const issuerName = dnsLabel("an issuer's name")
export const namespaceName = dnsLabel('a namespace')
export const objectName = dnsSubdomain('a name')

export const serviceKey = z
  .string()
  .regex(/^[^/]+\/[^/]+$/, 'a service key reads <namespace>/<hostname>')
  .brand<'ServiceKey'>()
/** "<namespace>/<hostname>": what a service is called in the whole mesh (namespace sameness, MCS KEP-1645). */
export type ServiceKey = z.infer<typeof serviceKey>

export const toServiceKey = (namespace: string, hostname: string): ServiceKey =>
  `${namespace}/${hostname}` as ServiceKey

export const splitServiceKey = (key: ServiceKey): { readonly namespace: string; readonly hostname: string } => {
  const slash = key.indexOf('/')
  return { namespace: key.slice(0, slash), hostname: key.slice(slash + 1) }
}

/** The host name of a `Service` object: "<name>.<namespace>.svc.<domain suffix>". */
export const toServiceHostname = (name: string, namespace: string, domainSuffix: string): string =>
  `${name}.${namespace}.svc.${domainSuffix}`
