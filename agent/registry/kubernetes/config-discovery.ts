import { z } from 'zod'
import type { Clock } from '#agent/clock.ts'
import { KubernetesError, type KubernetesClient } from '#agent/kubernetes/kubernetes-client.ts'
import type { Log } from '#agent/log.ts'
import { toBackoffMilliseconds } from '#agent/uplink/backoff.ts'
import { toApiVersion, type KindDefinition } from '#mesh/config/kind-definition.ts'
import { kinds } from '#mesh/config/kind-table.ts'
import { toErrorMessage } from '#mesh/error-message.ts'

/** The version in which a server has the objects of a kind. */
export interface ServedKind {
  readonly definition: KindDefinition
  /** "networking.istio.io/v1" */
  readonly apiVersion: string
}

export interface ConfigDiscoveryOptions {
  readonly client: Pick<KubernetesClient, 'request'>
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Log
  /** Called for each look at what the server has. */
  readonly onServed: (served: readonly ServedKind[]) => void
  /** The server can't be asked (any more), or can be again. */
  readonly onFailure: () => void
}

/** CRDs that are installed later are found after so long. */
const lookMilliseconds = 30_000
const maxBackoffAttempt = 3

const apiGroup = z.object({ versions: z.array(z.object({ version: z.string() })) })
const resourceList = z.object({ resources: z.array(z.object({ name: z.string() })) })

/** Custom resources: Services are read with what else every cluster has. */
const configKinds = kinds.filter(({ group }) => group !== '')

/** Looks again and again which configuration kinds an API server has, each in the version that its definition prefers. */
export class ConfigDiscovery {
  readonly #options: ConfigDiscoveryOptions
  #cancel: () => void = () => {}
  #stopped = false
  #failures = 0
  #failure: string | undefined

  constructor(options: ConfigDiscoveryOptions) {
    this.#options = options
  }

  /** Why the last look failed; undefined = it did not. */
  get failure(): string | undefined {
    return this.#failure
  }

  start(): void {
    const { onServed, clock } = this.#options
    void this.#look()
      .then(
        (served) => {
          this.#failures = 0
          this.#setFailure(undefined)
          if (!this.#stopped) onServed(served)
          return lookMilliseconds
        },
        (error: unknown) => this.#takeFailure(error),
      )
      .then((delay) => {
        if (!this.#stopped) this.#cancel = clock.after(delay, () => this.start())
      })
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  #takeFailure(error: unknown): number {
    const reason = toErrorMessage(error)
    if (this.#failure === undefined)
      this.#options.log.warn({ reason }, 'the API server does not tell which kinds of configuration it has')
    this.#setFailure(reason)
    const attempt = Math.min(this.#failures, maxBackoffAttempt)
    this.#failures += 1
    return toBackoffMilliseconds(attempt, this.#options.random())
  }

  #setFailure(failure: string | undefined): void {
    const before = this.#failure
    this.#failure = failure
    if (before !== failure) this.#options.onFailure()
  }

  async #look(): Promise<readonly ServedKind[]> {
    const resources = new Map<string, ReadonlySet<string>>()
    for (const group of new Set(configKinds.map((definition) => definition.group))) {
      const found = await this.#find(`/apis/${group}`, apiGroup)
      for (const { version } of found?.versions ?? []) {
        const list = await this.#find(`/apis/${group}/${version}`, resourceList)
        resources.set(`${group}/${version}`, new Set(list?.resources.map(({ name }) => name)))
      }
    }
    return configKinds.flatMap((definition) => {
      const apiVersions = definition.versions.map((version) => toApiVersion(definition, version))
      const apiVersion = apiVersions.find((each) => resources.get(each)?.has(definition.plural))
      return apiVersion === undefined ? [] : [{ definition, apiVersion }]
    })
  }

  /** undefined = the server has no such thing. */
  async #find<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
    try {
      return schema.parse(await this.#options.client.request({ method: 'GET', path }))
    } catch (error) {
      if (error instanceof KubernetesError && error.status === 404) return undefined
      throw error
    }
  }
}
