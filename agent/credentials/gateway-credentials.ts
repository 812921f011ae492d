import { toContentHash } from '#xds/content-hash.ts'
import { SecretSchema } from '#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts'
import type { Log } from '#agent/log.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import { encode } from '#xds/build/encode.ts'
import { toCredentialSecret, type Proxy } from '#xds/proxy.ts'
import { ResourceSet, type ResourceUpdate } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'
import { authoritiesSuffix, isSecretOfUse, withoutAuthoritiesSuffix } from './authorities-secret.ts'
import type { CredentialChanges } from './credential-source.ts'
import type { Credential } from './parse-credential.ts'

/** Why a Secret is of no use; "missing": there is none. */
export type CredentialFault = 'missing' | { readonly reason: string }

/** What `credentialName` of Gateways and DestinationRules means, by namespace: a gateway is given the secrets of its own namespace, and of no other. */
export class GatewayCredentials {
  readonly #sets = new Map<string, ResourceSet>()
  readonly #credentials = new Map<string, Credential>()
  readonly #faults = new Map<string, string>()
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  /** Takes what Secrets say now. One that is of no use leaves what it said before. */
  take(changes: CredentialChanges): void {
    for (const [key, credential] of changes) {
      if (credential && !credential.ok) {
        this.#faults.set(key, credential.error)
        this.#log.error(
          { credential: key, reason: credential.error },
          'a credential is of no use: what it said before goes on',
        )
        continue
      }
      this.#faults.delete(key)
      if (credential) this.#credentials.set(key, credential.value)
      else this.#credentials.delete(key)
      const slash = key.indexOf('/')
      const [namespace, name] = [key.slice(0, slash), key.slice(slash + 1)]
      for (const each of new Set([withoutAuthoritiesSuffix(name), name]))
        this.#setOf(namespace).apply(this.#toUpdates(namespace, each))
    }
  }

  /** The secrets that a proxy may have beside its own identity: those of a gateway. */
  setsOf({ role, namespace }: Proxy): readonly ResourceSet[] {
    return role === 'gateway' ? [this.#setOf(namespace)] : []
  }

  /** What is wrong with a Secret as a certificate, or as authorities; undefined = nothing. */
  faultOf(secret: string, part: keyof Credential): CredentialFault | undefined {
    const besideKey = `${secret}${authoritiesSuffix}`
    const beside = part === 'authorities' ? this.#credentials.get(besideKey) : undefined
    const besideFault = part === 'authorities' ? this.#faults.get(besideKey) : undefined
    if (besideFault !== undefined) return { reason: `is of no use with ${besideKey}: ${besideFault}` }
    if (beside?.[part]) return undefined
    const fault = this.#faults.get(secret)
    if (fault !== undefined) return { reason: `is of no use: ${fault}` }
    const own = this.#credentials.get(secret)
    if (own?.[part]) return undefined
    return own || beside ? { reason: `has no ${part}` } : 'missing'
  }

  /** One line each, for people, of Secrets that are of no use and not `named`; they say nothing of what the Secrets hold. */
  problems(named: ReadonlySet<string>): string[] {
    return [...this.#faults].flatMap(([key, fault]) => (isSecretOfUse(key, named) ? [] : [`Secret/${key}: ${fault}`]))
  }

  #setOf(namespace: string): ResourceSet {
    return getOrAdd(this.#sets, namespace, () => new ResourceSet(`credentials ${namespace}`))
  }

  /** The authorities are those of the Secret of its own, where there is one (Istio: "<name>-cacert"). */
  #toUpdates(namespace: string, name: string): ResourceUpdate[] {
    const own = this.#credentials.get(`${namespace}/${name}`)
    const beside = this.#credentials.get(`${namespace}/${name}${authoritiesSuffix}`)
    return [
      toCertificate(toCredentialSecret(namespace, name, false), own?.certificate),
      toAuthorities(toCredentialSecret(namespace, name, true), beside?.authorities ?? own?.authorities),
    ]
  }
}

const inline = (value: string) => ({ specifier: { case: 'inlineString' as const, value } })

const toCertificate = (name: string, certificate: Credential['certificate']): ResourceUpdate => {
  if (!certificate) return { type: typeUrls.secret, name, resource: null }
  const { chainPem, keyPem } = certificate
  const value = { certificateChain: inline(chainPem), privateKey: inline(keyPem) }
  const { resource } = encode(typeUrls.secret, SecretSchema, name, { name, type: { case: 'tlsCertificate', value } })
  // Versions appear in logs and dumps: a certificate's says nothing about its key.
  const version = toContentHash(new TextEncoder().encode(chainPem))
  return { type: typeUrls.secret, name, resource: { ...resource, version } }
}

const toAuthorities = (name: string, authorities: Credential['authorities']): ResourceUpdate => {
  if (!authorities) return { type: typeUrls.secret, name, resource: null }
  const { caPem, crlPem } = authorities
  const value = { trustedCa: inline(caPem), ...(crlPem !== undefined && { crl: inline(crlPem) }) }
  return {
    type: typeUrls.secret,
    name,
    resource: encode(typeUrls.secret, SecretSchema, name, { name, type: { case: 'validationContext', value } })
      .resource,
  }
}
