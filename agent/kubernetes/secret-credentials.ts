import type { Clock } from '#agent/clock.ts'
import { isSecretOfUse } from '#agent/credentials/authorities-secret.ts'
import type { CredentialChanges, CredentialSource, SecretAccess } from '#agent/credentials/credential-source.ts'
import { parseCredential, secretObject, type Credential } from '#agent/credentials/parse-credential.ts'
import type { Log } from '#agent/log.ts'
import { ResourceStore } from '#agent/registry/kubernetes/resource-store.ts'
import { ResourceWatch } from '#agent/registry/kubernetes/resource-watch.ts'
import { parseCredentialKey } from '#mesh/config/schema/credential-name.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { agentSecretsRole } from '#mesh/kubernetes/conventions.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import type { Result } from '#mesh/result.ts'
import { isForbidden, type KubernetesClient } from './kubernetes-client.ts'
import { mayListSecrets } from './may-list-secrets.ts'
import { SecretReaders } from './secret-readers.ts'

export interface SecretCredentialsOptions {
  readonly client: Pick<KubernetesClient, 'request' | 'stream'>
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
}

/** What is many in a namespace and never a proxy's. */
const fieldSelector = 'type!=kubernetes.io/service-account-token,type!=helm.sh/release.v1'

interface NamespaceWatch {
  readonly names: ReadonlySet<string>
  readonly store: ResourceStore<Result<Credential, string>>
  readonly watch: ResourceWatch
}

/**
 * The Secrets that are named for proxies here. Only namespaces with such a proxy are read, where a Role lets the agent; of what is read
 * only what is named is kept, and nothing of it on disk.
 */
export class SecretCredentials implements CredentialSource {
  readonly #options: SecretCredentialsOptions
  readonly #namespaces = new Map<string, NamespaceWatch>()
  readonly #stopping = new Set<Promise<void>>()
  readonly #readers: SecretReaders
  #listener: (changes: CredentialChanges) => void = () => {}

  constructor(options: SecretCredentialsOptions) {
    this.#options = options
    this.#readers = new SecretReaders({
      review: (namespace, serviceAccount) => this.#review(namespace, serviceAccount),
      clock: options.clock,
      random: options.random,
      onChange: () => this.#listener(new Map()),
    })
  }

  start(listener: (changes: CredentialChanges) => void): void {
    this.#listener = listener
  }

  async stop(): Promise<void> {
    this.#readers.stop()
    for (const { watch } of this.#namespaces.values()) void this.#end(watch)
    await Promise.all(this.#stopping)
  }

  want(secrets: ReadonlySet<string>, readers: ReadonlySet<string>): void {
    this.#readers.want(readers)
    const wanted = Map.groupBy([...secrets].map(parseCredentialKey), ({ namespace }) => namespace)
    for (const namespace of new Set([...this.#namespaces.keys(), ...wanted.keys()]))
      this.#follow(namespace, new Set(wanted.get(namespace)?.map(({ name }) => name)))
  }

  isReading(namespace: string): boolean {
    const status = this.#namespaces.get(namespace)?.watch.status
    return status !== undefined && !status.synced && status.failure === undefined
  }

  failureOf(namespace: string): string | undefined {
    const { failure, forbidden } = this.#namespaces.get(namespace)?.watch.status ?? {}
    return failure !== undefined && forbidden ? withRole(failure, namespace) : failure
  }

  isForbidden(namespace: string): boolean {
    return this.#namespaces.get(namespace)?.watch.status.forbidden === true
  }

  accessOf(account: string): SecretAccess {
    return this.#readers.accessOf(account)
  }

  async #review(
    namespace: string,
    serviceAccount: string,
  ): Promise<'allowed' | 'refused' | { readonly failure: string }> {
    try {
      return (await mayListSecrets(this.#options.client, namespace, serviceAccount)) ? 'allowed' : 'refused'
    } catch (error) {
      if (!isForbidden(error)) throw error
      return { failure: withRole(toErrorMessage(error), namespace) }
    }
  }

  /** Other names than before are listed anew: of what nobody had named nothing was kept. */
  #follow(namespace: string, names: ReadonlySet<string>): void {
    const known = this.#namespaces.get(namespace)
    if (isEqualData([...(known?.names ?? [])].toSorted(), [...names].toSorted())) return
    const store = known?.store ?? this.#createStore(namespace)
    if (known) void this.#end(known.watch)
    this.#namespaces.delete(namespace)
    if (names.size === 0) return store.retain(new Set())
    const onState = (): void => this.#listener(new Map())
    const watch = new ResourceWatch({
      ...this.#options,
      name: `secrets of ${namespace}`,
      path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets`,
      fieldSelector,
      store,
      onSynced: onState,
      onFailure: onState,
    })
    this.#namespaces.set(namespace, { names, store, watch })
    watch.start()
  }

  #createStore(namespace: string): NamespaceWatch['store'] {
    const isNamed = (name: string): boolean => {
      const names = this.#namespaces.get(namespace)?.names
      return names !== undefined && isSecretOfUse(name, names)
    }
    return new ResourceStore(
      (object) => {
        // The items of a list have no kind.
        const secret = secretObject.parse({ ...(object as object), kind: 'Secret' })
        return { value: isNamed(secret.metadata.name) ? parseCredential(secret) : null, problems: [] }
      },
      (key, credential) => this.#listener(new Map([[key, credential]])),
    )
  }

  #end(watch: ResourceWatch): Promise<void> {
    const ending = watch.stop().finally(() => this.#stopping.delete(ending))
    this.#stopping.add(ending)
    return ending
  }
}

/** What lets the agent, for whom it does not yet. */
const withRole = (failure: string, namespace: string): string =>
  `${failure} (see docs/ingress.md for the Role ${agentSecretsRole} that namespace ${namespace} needs)`
