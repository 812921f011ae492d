import { toContentHash } from '#xds/content-hash.ts'
import { SecretSchema } from '#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts'
import type { Log } from '#agent/log.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import { encode } from '#xds/build/encode.ts'
import { toCredentialSecret, toProxyName, type Proxy } from '#xds/proxy.ts'
import { ResourceSet, type ResourceUpdate } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'
import type { CredentialChanges } from './credential-source.ts'
import type { Credential } from './parse-credential.ts'

/** Of a Secret that holds nothing but the authorities of the one that is named without it. */
const authoritiesSuffix = '-cacert'

/** What `credentialName` of Gateways and DestinationRules means, by namespace: a gateway is given the secrets of its own namespace, and of no other. */
export class GatewayCredentials {
  readonly #sets = new Map<string, ResourceSet>()
  readonly #credentials = new Map<string, Credential>()
  readonly #faults = new Map<string, string>()
  readonly #gateways = new Map<string, Proxy>()
  readonly #log: Log
  readonly #onGateways: () => void

  /** `onGateways` is called when others are attached than before. */
  constructor(log: Log, onGateways: () => void = () => {}) {
    this.#log = log
    this.#onGateways = onGateways
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
      this.#setOf(namespace).apply(this.#toUpdates(namespace, name.replace(/-cacert$/, '')))
      if (name.endsWith(authoritiesSuffix)) this.#setOf(namespace).apply(this.#toUpdates(namespace, name))
    }
  }

  /** The secrets that a proxy may have beside its own identity. */
  attach(proxy: Proxy): readonly ResourceSet[] {
    if (proxy.role !== 'gateway') return []
    this.#gateways.set(toProxyName(proxy), proxy)
    this.#onGateways()
    return [this.#setOf(proxy.namespace)]
  }

  detach(proxy: Proxy): void {
    if (this.#gateways.delete(toProxyName(proxy))) this.#onGateways()
  }

  /** The proxies that are attached. */
  get gateways(): Iterable<Proxy> {
    return this.#gateways.values()
  }

  /** What is wrong with a Secret as a certificate, or as authorities; undefined = nothing. */
  faultOf(secret: string, part: keyof Credential): string | undefined {
    const fault = this.#faults.get(secret)
    if (fault !== undefined) return `is of no use: ${fault}`
    const own = this.#credentials.get(secret)
    const beside = part === 'authorities' ? this.#credentials.get(`${secret}${authoritiesSuffix}`) : undefined
    if (own?.[part] ?? beside?.[part]) return undefined
    return own || beside ? `has no ${part}` : 'is not there'
  }

  /** One line each, for people; they say nothing of what the Secrets hold. */
  problems(): string[] {
    return [...this.#faults].map(([key, fault]) => `Secret/${key}: ${fault}`)
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
