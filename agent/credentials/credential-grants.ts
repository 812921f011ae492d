import { toProxyIdentity } from '#agent/ads/attachments.ts'
import { parseCredentialKey } from '#mesh/config/schema/credential-name.ts'
import { getOrAdd } from '#mesh/merge/get-or-add.ts'
import type { Proxy } from '#xds/proxy.ts'
import { ResourceSet, type EncodedResource } from '#xds/resource-set.ts'
import { admissionFilterName } from '#xds/build/build-admission.ts'
import type { Admission } from '#xds/model/admission.ts'
import { typeUrls, type TypeUrl } from '#xds/type-url.ts'
import { buildCredentialSecret, toPartName } from './build-credential-secret.ts'
import { buildClients } from './build-clients.ts'
import { isOfClients, isServed } from './credential-parts.ts'
import { toKnownAccess, type CredentialSource, type SecretAccess } from './credential-source.ts'
import type { KnownSecrets } from './known-secrets.ts'
import type { NamedCredential } from './named-credentials.ts'
import type { Credential, TlsCredential } from './parse-credential.ts'

export interface CredentialGrantsOptions {
  readonly secrets: Pick<KnownSecrets, 'credentialOf'>
  readonly source: Pick<CredentialSource, 'isReading' | 'failureOf' | 'isForbidden' | 'accessOf'> | undefined
  /** What nobody vouches for, and what vouches for nobody. */
  readonly nobody: TlsCredential
}

/** One secret of SDS, or what the filter of clients does. */
interface Part extends NamedCredential {
  readonly type: TypeUrl
  readonly name: string
}

interface Grant {
  readonly parts: readonly Part[]
  readonly set: ResourceSet
}

/** Of a Secret, by what it was built for. */
type Built = Map<Credential, Map<string, EncodedResource | undefined>>

/**
 * What proxies are given of Secrets: each what is named for it, and no more. In place of what a client may not have, or not any more, it
 * gets what is of no use to it: Envoy takes no notice of a secret that is removed, and would go on with it. A server gets nothing: it would
 * show what nobody believes, where it is to answer nobody. By what is not to be had no client is let in.
 */
export class CredentialGrants {
  readonly #options: CredentialGrantsOptions
  /** What was built of Secrets for what is granted now, and for what was granted before. */
  #built: Built = new Map()
  #builtBefore: Built = new Map()
  #grants = new Map<string, Grant>()
  #sets = new Map<string, readonly ResourceSet[]>()

  constructor(options: CredentialGrantsOptions) {
    this.#options = options
  }

  /** The same list as before until something else is granted. */
  setsOf(proxy: Proxy): readonly ResourceSet[] {
    return this.#sets.get(toProxyIdentity(proxy)) ?? none
  }

  /** What is named for each of the proxies that are here. Those for which the same is named share it. */
  grant(named: Iterable<readonly [Proxy, readonly NamedCredential[]]>): void {
    const before = this.#grants
    this.#grants = new Map()
    const sets = new Map<string, readonly ResourceSet[]>()
    for (const [proxy, credentials] of named) {
      if (credentials.length === 0) continue
      const key = JSON.stringify(credentials)
      const { set } = getOrAdd(
        this.#grants,
        key,
        () => before.get(key) ?? { parts: toParts(credentials), set: new ResourceSet(`credentials ${key}`) },
      )
      const identity = toProxyIdentity(proxy)
      const known = this.#sets.get(identity)
      sets.set(identity, known?.[0] === set ? known : [set])
    }
    this.#sets = sets
    this.refresh()
  }

  /** Secrets say something else, or others may read them. */
  refresh(): void {
    this.#builtBefore = this.#built
    this.#built = new Map()
    for (const { parts, set } of this.#grants.values())
      set.apply(
        parts.flatMap((part) => {
          const resource = this.#toResource(part)
          return resource === undefined ? [] : { type: part.type, name: part.name, resource }
        }),
      )
    this.#builtBefore = new Map()
  }

  /** undefined = nobody knows yet: what it has goes on. */
  #toResource(part: Part): EncodedResource | null | undefined {
    const { admission } = part
    if (admission) return this.#toAdmission(part, admission)
    const credential = this.#find(part)
    if (credential === undefined) return undefined
    if (credential === null && isServed(part.part)) return null
    return this.#build(credential ?? this.#options.nobody, part)
  }

  /** As long as Secrets are read for the first time nobody knows; when they can not be, nobody is let in. */
  #toAdmission({ name, secret, part, reader }: Part, admission: Admission): EncodedResource | undefined {
    const { source, secrets } = this.#options
    const access = this.#accessOf(reader)
    if (access === 'asked') return undefined
    const { namespace } = parseCredentialKey(secret)
    const credential = secrets.credentialOf(secret, part)
    if (!credential && source?.isReading(namespace)) return undefined
    const mayBeHad = toKnownAccess(access) === 'allowed' && source?.isForbidden(namespace) !== true
    if (!credential || !mayBeHad) return buildClients(admission, undefined)
    return this.#once(credential, `${name} ${JSON.stringify(admission)}`, () => buildClients(admission, credential))
  }

  /** null = it is not to be had. */
  #find({ secret, part, reader }: Part): Credential | null | undefined {
    const { source, secrets } = this.#options
    const access = toKnownAccess(this.#accessOf(reader))
    if (access !== 'allowed') return access === 'refused' ? null : undefined
    // A server is not believed for which one has no certificate: it might take whoever comes.
    const isAlone = part === 'mutual-authorities' && !secrets.credentialOf(secret, 'client-certificate')
    const credential = isAlone ? undefined : secrets.credentialOf(secret, part)
    if (credential) return credential
    const { namespace } = parseCredentialKey(secret)
    return source?.isReading(namespace) === true || source?.failureOf(namespace) !== undefined ? undefined : null
  }

  #accessOf(reader: string | undefined): SecretAccess {
    const { source } = this.#options
    return reader === undefined || !source ? 'allowed' : source.accessOf(reader)
  }

  #build(credential: Credential, { name, part }: Part): EncodedResource | undefined {
    if (isOfClients(part)) return undefined
    // It is here as long as the agent is, and so would be all names that were ever refused.
    if (credential === this.#options.nobody) return buildCredentialSecret(name, credential, part)
    return this.#once(credential, name, () => buildCredentialSecret(name, credential, part))
  }

  #once(credential: Credential, key: string, build: () => EncodedResource | undefined): EncodedResource | undefined {
    const built = getOrAdd(this.#built, credential, () => new Map<string, EncodedResource | undefined>())
    const before = this.#builtBefore.get(credential)
    return getOrAdd(built, key, () => (before?.has(key) ? before.get(key) : build()))
  }
}

const toParts = (named: readonly NamedCredential[]): readonly Part[] => {
  const parts = new Map<string, Part>()
  for (const each of named) {
    const { type, name } = toResourceName(each)
    parts.set(name, { ...each, type, name })
  }
  return [...parts.values()]
}

const toResourceName = ({ secret, part }: NamedCredential): Pick<Part, 'type' | 'name'> =>
  isOfClients(part)
    ? { type: typeUrls.extensionConfig, name: admissionFilterName }
    : { type: typeUrls.secret, name: toPartName(secret, part) }

const none: readonly ResourceSet[] = []
