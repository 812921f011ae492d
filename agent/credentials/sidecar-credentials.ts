import { toProxyIdentity } from '#agent/ads/attachments.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { Proxy } from '#xds/proxy.ts'
import { ResourceSet, type EncodedResource } from '#xds/resource-set.ts'
import { typeUrls } from '#xds/type-url.ts'
import { buildCredentialSecret, toPartName } from './build-credential-secret.ts'
import type { CredentialSource } from './credential-source.ts'
import type { GatewayCredentials } from './gateway-credentials.ts'
import type { NamedCredential } from './named-credentials.ts'
import type { Credential } from './parse-credential.ts'

export interface SidecarCredentialsOptions {
  readonly credentials: Pick<GatewayCredentials, 'secretOf'>
  readonly source: Pick<CredentialSource, 'isReading' | 'failureOf' | 'accessOf'> | undefined
  /** What nobody vouches for, and what vouches for nobody. */
  readonly nobody: Required<Credential>
}

interface Grant {
  readonly named: readonly NamedCredential[]
  readonly set: ResourceSet
}

/**
 * What sidecars are given of Secrets: each what is named for it, and no more. In place of what it may not have, or not any more, it gets
 * what is of no use to it: Envoy takes no notice of a secret that is removed, and would go on with it.
 */
export class SidecarCredentials {
  readonly #options: SidecarCredentialsOptions
  #grants = new Map<string, Grant>()
  #sets = new Map<string, readonly ResourceSet[]>()

  constructor(options: SidecarCredentialsOptions) {
    this.#options = options
  }

  /** The same list as before until something else is granted. */
  setsOf(proxy: Proxy): readonly ResourceSet[] {
    return this.#sets.get(toProxyIdentity(proxy)) ?? none
  }

  /** What is named for each of the sidecars that are here. Those for which the same is named share it. */
  grant(named: Iterable<readonly [Proxy, readonly NamedCredential[]]>): void {
    const before = this.#grants
    this.#grants = new Map()
    const sets = new Map<string, readonly ResourceSet[]>()
    for (const [proxy, credentials] of named) {
      if (proxy.role !== 'sidecar' || credentials.length === 0) continue
      const key = JSON.stringify(credentials)
      const { set } = getOrAdd(this.#grants, key, () => ({
        named: credentials,
        set: before.get(key)?.set ?? new ResourceSet(`credentials of sidecars ${key}`),
      }))
      const identity = toProxyIdentity(proxy)
      const known = this.#sets.get(identity)
      sets.set(identity, known?.[0] === set ? known : [set])
    }
    this.#sets = sets
    this.refresh()
  }

  /** Secrets say something else, or others may read them. */
  refresh(): void {
    for (const { named, set } of this.#grants.values())
      set.apply(
        named.flatMap((each) => {
          const resource = this.#toResource(each, named)
          return resource ? { type: typeUrls.secret, name: resource.name, resource } : []
        }),
      )
  }

  /** undefined = nobody knows yet: what it has goes on. */
  #toResource(each: NamedCredential, named: readonly NamedCredential[]): EncodedResource | undefined {
    const { secret, part } = each
    // A server is not believed for which one has no certificate: it might take whoever comes.
    const needed = named.filter((other) => other.secret === secret && (other === each || other.part === 'certificate'))
    const resources = needed.map((other) => this.#find(other))
    if (resources.includes(undefined)) return undefined
    if (!resources.includes(null)) return resources[needed.indexOf(each)] ?? undefined
    return buildCredentialSecret(toPartName(secret, part), this.#options.nobody, part)
  }

  /** null = it is not to be had. */
  #find({ secret, part, reader }: NamedCredential): EncodedResource | null | undefined {
    const { source, credentials } = this.#options
    const access = reader === undefined || !source ? 'allowed' : source.accessOf(reader)
    if (access === 'refused') return null
    if (access !== 'allowed') return undefined
    const namespace = secret.slice(0, secret.indexOf('/'))
    const isUnknown = source?.isReading(namespace) === true || source?.failureOf(namespace) !== undefined
    return credentials.secretOf(secret, part) ?? (isUnknown ? undefined : null)
  }
}

const none: readonly ResourceSet[] = []
