import type { Log } from '#agent/log.ts'
import { authoritiesSuffix } from '#mesh/config/schema/credential-name.ts'
import type { CredentialPart } from '#xds/proxy.ts'
import { isSecretOfUse } from './authorities-secret.ts'
import { toHeld } from './credential-parts.ts'
import type { CredentialChanges } from './credential-source.ts'
import type { Credential } from './parse-credential.ts'

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
  credentialOf(secret: string, part: CredentialPart): Credential | undefined {
    const held = toHeld(part)
    const beside = held === 'authorities' ? this.#credentials.get(`${secret}${authoritiesSuffix}`) : undefined
    return [beside, this.#credentials.get(secret)].find((credential) => credential?.[held])
  }

  /** What is wrong with a Secret as a certificate, or as authorities; undefined = nothing. */
  faultOf(secret: string, part: CredentialPart): CredentialFault | undefined {
    const held = toHeld(part)
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

  /** One line each, for people, of Secrets that are of no use and not `named`; they say nothing of what the Secrets hold. */
  problems(named: ReadonlySet<string>): string[] {
    return [...this.#faults].flatMap(([key, fault]) => (isSecretOfUse(key, named) ? [] : [`Secret/${key}: ${fault}`]))
  }
}
