import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import { parseCredentialKey } from '#mesh/config/schema/credential-name.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { distinctData } from '#mesh/merge/distinct-data.ts'
import type { CompileProblem } from '#xds/incremental/unit.ts'
import type { Proxy } from '#xds/proxy.ts'
import type { ResourceSet } from '#xds/resource-set.ts'
import { CredentialGrants } from './credential-grants.ts'
import { CredentialDemand, type CredentialDemandOptions } from './credential-demand.ts'
import { findCredentialProblems, toSecretFault } from './credential-problems.ts'
import type { CredentialSource } from './credential-source.ts'
import { KnownSecrets } from './known-secrets.ts'
import type { NamedCredential } from './named-credentials.ts'
import type { TlsCredential } from './parse-credential.ts'
import type { RegistryLogin } from './parse-registry-logins.ts'

export interface ProxyCredentialsOptions {
  readonly view: CredentialDemandOptions['view']
  /** Absent = there are no Secrets. */
  readonly source: CredentialSource | undefined
  readonly clock: Pick<Clock, 'after'>
  readonly log: Log
  /** What nobody vouches for, and what vouches for nobody. */
  readonly nobody: TlsCredential
  /** Proxies may be due something else, and something else may be wrong. */
  readonly onChange: () => void
}

/** How registries are signed in to by a Secret, or why nobody does by it; "asked" = nobody knows yet. */
export type RegistryLogins = { readonly logins: readonly RegistryLogin[] } | { readonly fault: string } | 'asked'

/** What `credentialName` of Gateways and DestinationRules, and the Secrets of ClientAuthentications, mean to the proxies that are connected; and how registries of what these run are signed in to. */
export class ProxyCredentials {
  readonly #source: CredentialSource | undefined
  readonly #onChange: () => void
  readonly #secrets: KnownSecrets
  readonly #grants: CredentialGrants
  readonly #demand: CredentialDemand
  #named: readonly NamedCredential[] = []
  #pulled: ReadonlySet<string> = new Set()

  constructor({ view, source, clock, log, nobody, onChange }: ProxyCredentialsOptions) {
    this.#source = source
    this.#onChange = onChange
    this.#secrets = new KnownSecrets(log)
    this.#grants = new CredentialGrants({ secrets: this.#secrets, source, nobody })
    this.#demand = new CredentialDemand({ view, clock, onNamed: () => this.#takeNamed() })
  }

  start(): void {
    this.#source?.start((changes) => {
      this.#secrets.take(changes)
      this.#grants.refresh()
      this.#onChange()
    })
  }

  async stop(): Promise<void> {
    this.#demand.stop()
    await this.#source?.stop()
  }

  attach(proxy: Proxy): void {
    this.#demand.attach(proxy)
  }

  detach(proxy: Proxy): void {
    this.#demand.detach(proxy)
  }

  /** The secrets that a proxy may have beside its own identity. The same list as before until it is one of others. */
  setsOf(proxy: Proxy): readonly ResourceSet[] {
    return this.#grants.setsOf(proxy)
  }

  /** Others may be named now. Called as often as one likes. */
  namesChanged(): void {
    this.#demand.changed()
  }

  /** Does at once what is to be done in a moment. */
  settle(): void {
    this.#demand.settle()
  }

  /** From now on the registries of modules are signed in to by these Secrets, "<namespace>/<name>", and no others. */
  wantLogins(secrets: ReadonlySet<string>): void {
    if (isEqualData([...this.#pulled].toSorted(), [...secrets].toSorted())) return
    this.#pulled = secrets
    this.#wantAll()
  }

  loginsOf(secret: string): RegistryLogins {
    const found = this.#secrets.loginsOf(secret)
    if (found !== 'missing' && !('reason' in found)) return { logins: found }
    const fault = toSecretFault(secret, found, this.#source)
    return fault === undefined ? 'asked' : { fault }
  }

  /** The objects that name something of which nobody knows yet if it is there, or may be had. */
  get undecided(): ReadonlySet<string> {
    const source = this.#source
    if (!source) return new Set()
    const open = this.#named.filter(
      ({ secret, reader }) =>
        source.isReading(parseCredentialKey(secret).namespace) ||
        (reader !== undefined && source.accessOf(reader) === 'asked'),
    )
    return new Set(open.map(({ object }) => object))
  }

  /** What is wrong with what is named, at the objects that name it. */
  problems(): readonly CompileProblem[] {
    return findCredentialProblems(this.#named, this.#secrets, this.#source)
  }

  /** One line each, for people, of Secrets that are of no use and that nobody names. */
  unnamedProblems(): readonly string[] {
    return this.#secrets.problems(this.#names)
  }

  get #names(): ReadonlySet<string> {
    return new Set([...this.#named.map(({ secret }) => secret), ...this.#pulled])
  }

  #takeNamed(): void {
    const { namedFor } = this.#demand
    this.#named = distinctData([...namedFor.values()].flat())
    this.#wantAll()
    this.#grants.grant(namedFor)
    this.#onChange()
  }

  #wantAll(): void {
    this.#source?.want?.(this.#names, new Set(this.#named.flatMap(({ reader }) => reader ?? [])))
  }
}
