import type { Clock } from '#agent/clock.ts'
import type { AgentConfig } from '#agent/config.ts'
import type { DataDirectory } from '#agent/data-directory.ts'
import type { Log } from '#agent/log.ts'
import { toFetching } from '#agent/outside/to-fetching.ts'
import type { MeshViewStore } from '#mesh/mesh-view-store.ts'
import { maxKeySources, selectKeySources, withoutQuery, type NamedKeySource } from '#mesh/security/key-source.ts'
import type { ViewChange } from '#mesh/view.ts'
import type { CompileProblem } from '#xds/incremental/unit.ts'
import { fetchKeySet } from './fetch-key-set.ts'
import { keptKeySet, KeySets, type KeySetStatus } from './key-sets.ts'

export interface IssuerKeysOptions {
  readonly view: Pick<MeshViewStore, 'keySources' | 'settings'>
  readonly config: Pick<AgentConfig, 'jwks'>
  /** PEM: whom issuers' servers are verified against, beside the public authorities. */
  readonly issuersCa: string | undefined
  readonly data: Pick<DataDirectory, 'openSnapshot'>
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly onChanges: (changes: readonly ViewChange[]) => void
  /** Something else may be wrong. */
  readonly onProblems: () => void
}

/** Changes come in bursts. */
const settleMilliseconds = 50

/** What the RequestAuthentications of this cluster need of the outside. */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions
  readonly #sets: KeySets
  #sources: readonly NamedKeySource[] = []
  #cancel: (() => void) | undefined

  constructor(options: IssuerKeysOptions) {
    const { view, config, issuersCa: ca, data, clock, random, log, onChanges, onProblems } = options
    this.#options = options
    const fetching = toFetching({ allow: config.jwks.allow, domainSuffix: view.settings().domainSuffix, ca, clock })
    this.#sets = new KeySets({
      clock,
      random,
      log,
      fetch: ({ url, timeoutMilliseconds }) => fetchKeySet(url, timeoutMilliseconds, fetching),
      snapshot: data.openSnapshot('key-sets', keptKeySet),
      onChanges,
      onProblems,
    })
  }

  /** Has what was kept, and asks for what is named. */
  start(): void {
    this.#sets.load()
    this.#settle()
  }

  /** Resolves when proxies can be served: keys are known, or their issuers take too long. */
  asked(): Promise<void> {
    this.#settle()
    return this.#sets.asked()
  }

  /** Others may be named now. Called as often as one likes. */
  namesChanged(): void {
    this.#cancel ??= this.#options.clock.after(settleMilliseconds, () => {
      this.#cancel = undefined
      this.#settle()
    })
  }

  async stop(): Promise<void> {
    this.#cancel?.()
    this.#cancel = () => {}
    await this.#sets.stop()
  }

  statuses(): readonly KeySetStatus[] {
    return this.#sets.statuses()
  }

  /** What is wrong with the keys, at the objects that name them. */
  problems(): readonly CompileProblem[] {
    const statuses = new Map(this.#sets.statuses().map((status) => [status.url, status]))
    return this.#sources.flatMap(({ url, objects }) =>
      toMessages(statuses.get(url)).flatMap((text) =>
        objects.map((object) => ({ object, message: `spec.jwtRules: ${withoutQuery(url)} ${text}` })),
      ),
    )
  }

  #settle(): void {
    this.#sources = this.#options.view.keySources()
    this.#sets.want(selectKeySources(this.#sources))
    if (this.#sources.length > maxKeySources) this.#options.onProblems()
  }
}

const toMessages = (status: KeySetStatus | undefined): readonly string[] => {
  if (!status)
    return [
      `is not asked for: an agent fetches from ${maxKeySources} places at most, of each namespace one in turn. No token by it is accepted`,
    ]
  const { failure, fetchedAt, warnings } = status
  const told = warnings.map((warning) => `publishes keys that should not be there: ${warning}`)
  if (failure === undefined) return told
  const effect =
    fetchedAt === undefined ? 'no token by it is accepted' : `the keys of ${new Date(fetchedAt).toISOString()} go on`
  return [`${failure}: ${effect}`, ...told]
}
