import type { Log } from '#agent/log.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import { ResourceSet, type EncodedResource } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'
import { authoritiesSuffix, isSecretOfUse, withoutAuthoritiesSuffix } from './authorities-secret.ts'
import { buildCredentialSecret, toPartName } from './build-credential-secret.ts'
import type { CredentialChanges } from './credential-source.ts'
import type { Credential } from './parse-credential.ts'

/** Why a Secret is of no use; "missing": there is none. */
export type CredentialFault = 'missing' | { readonly reason: string }

/** What Secrets say, and what gateways are given of it: each what is of its own namespace, and of no other. */
export class GatewayCredentials {
  readonly #sets = new Map<string, readonly [ResourceSet]>()
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
      for (const secret of new Set([withoutAuthoritiesSuffix(key), key]))
        this.setsOf(key.slice(0, key.indexOf('/')))[0].apply(
          parts.map((part) => {
            const resource = this.secretOf(secret, part) ?? null
            return { type: typeUrls.secret, name: toPartName(secret, part), resource }
          }),
        )
    }
  }

  /** The secrets that a gateway of this namespace may have beside its own identity. Always the same list. */
  setsOf(namespace: string): readonly [ResourceSet] {
    return getOrAdd(this.#sets, namespace, () => [new ResourceSet(`credentials ${namespace}`)] as const)
  }

  /** A Secret as a certificate, or as authorities: those of the Secret of its own, where there is one (Istio: "<name>-cacert"). */
  secretOf(secret: string, part: keyof Credential): EncodedResource | undefined {
    const beside = part === 'authorities' ? this.#credentials.get(`${secret}${authoritiesSuffix}`) : undefined
    const credential = beside?.authorities ? beside : this.#credentials.get(secret)
    return credential && buildCredentialSecret(toPartName(secret, part), credential, part)
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
}

const parts = ['certificate', 'authorities'] as const
