import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import { parseCredentialKey } from '#mesh/config/schema/credential-name.ts'
import { distinctData } from '#mesh/merge/distinct-data.ts'
import type { CompileProblem } from '#xds/incremental/unit.ts'
import type { Proxy } from '#xds/proxy.ts'
import type { ResourceSet } from '#xds/resource-set.ts'
import { CredentialGrants } from './credential-grants.ts'
import { CredentialDemand, type CredentialDemandOptions } from './credential-demand.ts'
import { findCredentialProblems } from './credential-problems.ts'
import type { CredentialSource } from './credential-source.ts'
import { KnownSecrets } from './known-secrets.ts'
import type { NamedCredential } from './named-credentials.ts'
import type { TlsCredential } from './parse-credential.ts'

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

/** What `credentialName` of Gateways and DestinationRules, and the Secrets of ClientAuthentications, mean to the proxies that are connected. */
export class ProxyCredentials {
  readonly #source: CredentialSource | undefined
  readonly #onChange: () => void
  readonly #secrets: KnownSecrets
  readonly #grants: CredentialGrants
  readonly #demand: CredentialDemand
  #named: readonly NamedCredential[] = []

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
    return new Set(this.#named.map(({ secret }) => secret))
  }

  #takeNamed(): void {
    const { namedFor } = this.#demand
    this.#named = distinctData([...namedFor.values()].flat())
    this.#source?.want?.(this.#names, new Set(this.#named.flatMap(({ reader }) => reader ?? [])))
    this.#grants.grant(namedFor)
    this.#onChange()
  }
}
