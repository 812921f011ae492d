import type { Log } from '#agent/log.ts'
import { authoritiesSuffix } from '#mesh/config/schema/credential-name.ts'
import { clientSecretTypes } from '#mesh/kubernetes/client-secrets.ts'
import { isSecretOfUse } from './authorities-secret.ts'
import { isOfClients, toHeld, type NamedPart } from './credential-parts.ts'
import type { CredentialChanges } from './credential-source.ts'
import type { Credential } from './parse-credential.ts'
import type { RegistryLogin } from './parse-registry-logins.ts'

/** Why a Secret is of no use; "missing": there is none. */
export type CredentialFault = 'missing' | { readonly reason: string }

/** What Secrets say. */
export class KnownSecrets {
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
    }
  }

  /** What a Secret says, or for authorities the Secret of its own, where there is one (Istio: "<name>-cacert"); undefined = it has no such part. */
  credentialOf(secret: string, part: NamedPart): Credential | undefined {
    // By what is of no use now nobody is let in that was before.
    if (isOfClients(part) && this.#faults.has(secret)) return undefined
    const held = toHeld(part)
    const beside = held === 'authorities' ? this.#credentials.get(`${secret}${authoritiesSuffix}`) : undefined
    return [beside, this.#credentials.get(secret)].find((credential) => credential?.[held])
  }

  /** What is wrong with a Secret as a certificate, as authorities, or as what clients are known by; undefined = nothing. */
  faultOf(secret: string, part: NamedPart): CredentialFault | undefined {
    const held = toHeld(part)
    if (isOfClients(part)) return this.#faultOfClients(secret, part)
    const besideKey = `${secret}${authoritiesSuffix}`
    const beside = held === 'authorities' ? this.#credentials.get(besideKey) : undefined
    const besideFault = held === 'authorities' ? this.#faults.get(besideKey) : undefined
    if (besideFault !== undefined) return { reason: `is of no use with ${besideKey}: ${besideFault}` }
    if (beside?.[held]) return undefined
    const fault = this.#faults.get(secret)
    if (fault !== undefined) return { reason: `is of no use: ${fault}` }
    const own = this.#credentials.get(secret)
    if (own?.[held]) return undefined
    return own || beside ? { reason: `has no ${held}` } : 'missing'
  }

  /** How registries are signed in to by a Secret; else why it is of no use for that. By what is of no use now nobody signs in as before. */
  loginsOf(secret: string): readonly RegistryLogin[] | CredentialFault {
    const fault = this.#faults.get(secret)
    if (fault !== undefined) return { reason: `is of no use: ${fault}` }
    const own = this.#credentials.get(secret)
    if (!own) return 'missing'
    return own.registries ?? { reason: 'is of another type' }
  }

  #faultOfClients(secret: string, part: 'api-keys' | 'users'): CredentialFault | undefined {
    const held = part === 'api-keys' ? 'apiKeys' : 'users'
    const own = this.#credentials.get(secret)
    if (!own && !this.#faults.has(secret)) return 'missing'
    const clients = this.#faults.has(secret) ? undefined : own?.[held]
    if (!clients) return { reason: `is not of the type ${clientSecretTypes[held]}: nobody is let in` }
    return clients.faults.length > 0 ? { reason: `has what lets nobody in: ${clients.faults.join('; ')}` } : undefined
  }

  /** One line each, for people, of Secrets that are of no use and not `named`; they say nothing of what the Secrets hold. */
  problems(named: ReadonlySet<string>): string[] {
    return [...this.#faults].flatMap(([key, fault]) => (isSecretOfUse(key, named) ? [] : [`Secret/${key}: ${fault}`]))
  }
}
