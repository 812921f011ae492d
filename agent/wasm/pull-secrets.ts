import type { ProxyCredentials, RegistryLogins } from '#agent/credentials/proxy-credentials.ts'
import { findRegistryLogin, type RegistryLogin } from '#agent/credentials/parse-registry-logins.ts'
import { FetchError } from '#agent/outside/fetch-bytes.ts'
import { pullSecretType } from '#mesh/kubernetes/pull-secrets.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import type { ModuleSource } from '#mesh/wasm/module-source.ts'

type Source = Pick<ProxyCredentials, 'wantLogins' | 'loginsOf'>

/** The Secrets by which registries of modules are signed in to. */
export class PullSecrets {
  readonly #source: Source
  #known: ReadonlyMap<string, RegistryLogins> = new Map()
  readonly #waiting = new Set<() => void>()

  constructor(source: Source) {
    this.#source = source
  }

  /** From now on the Secrets of these are of use, and no others; those that say something else than before. */
  want(sources: readonly ModuleSource[]): ReadonlySet<string> {
    const before = this.#known
    const secrets = new Set(sources.flatMap(({ pullSecret }) => pullSecret ?? []))
    this.#source.wantLogins(secrets)
    this.#known = new Map([...secrets].map((secret) => [secret, this.#source.loginsOf(secret)]))
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
    const changed = [...this.#known].filter(([secret, says]) => !isEqualData(says, before.get(secret)))
    return new Set(changed.map(([secret]) => secret))
  }

  /** How to sign in for a module, when that is known; undefined = nobody is to. Throws an error for people when nobody can. */
  async loginFor({ pullSecret, place }: ModuleSource): Promise<RegistryLogin | undefined> {
    if (pullSecret === undefined || place.kind !== 'image') return undefined
    let says = this.#source.loginsOf(pullSecret)
    while (says === 'asked') {
      await new Promise<void>((resolve) => this.#waiting.add(resolve))
      says = this.#source.loginsOf(pullSecret)
    }
    const login = 'logins' in says ? findRegistryLogin(says.logins, place) : undefined
    if (login) return login
    throw new FetchError(toText(pullSecret, 'fault' in says ? says.fault : `has no password for ${place.registry}`))
  }

  /** What is wrong with the Secret of a module that is there. */
  faultOf({ pullSecret }: ModuleSource): string | undefined {
    const says = pullSecret === undefined ? undefined : this.#source.loginsOf(pullSecret)
    return pullSecret !== undefined && typeof says === 'object' && 'fault' in says
      ? toText(pullSecret, says.fault)
      : undefined
  }
}

const toText = (secret: string, fault: string): string =>
  `needs Secret ${secret} of the type ${pullSecretType}, which ${fault}`
