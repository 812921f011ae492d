import { z } from 'zod'
import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import { agentObjectLabels, proxyConfigMap, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { hasLabels } from '#mesh/has-labels.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { objectMetadata, type ObjectClient, type ObjectKind } from './object-client.ts'

const configMap = z.object({ metadata: objectMetadata, data: z.record(z.string(), z.string()).optional() })
export type ConfigMap = z.infer<typeof configMap>

export const configMapKind: ObjectKind<ConfigMap> = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  resource: 'configmaps',
  schema: configMap,
}

export interface ProxyConfigMapsOptions {
  readonly configMaps: Pick<ObjectClient<ConfigMap>, 'listNamed' | 'create' | 'replace'>
  /** Only one replica keeps them. */
  readonly isReporter: () => boolean
  /** Those that have, or will have, proxies. */
  readonly namespaces: () => Iterable<string>
  /** The files that a proxy starts with, by name. */
  readonly toFiles: (rootsPem: readonly string[]) => Readonly<Record<string, string>>
  readonly clock: Clock
  readonly log: Log
  readonly onProblems: () => void
}

const settleMilliseconds = 100
const retryMilliseconds = 5000
const resyncMilliseconds = 60_000

/**
 * Keeps a ConfigMap in each namespace with proxies: their bootstrap, and the roots that they know their agent by. One that is there stays,
 * and is kept, also when the namespace is not for proxies any more: pods that run may still read it. Another's is left alone.
 */
export class ProxyConfigMaps {
  readonly #options: ProxyConfigMapsOptions
  #rootsPem: readonly string[] = []
  #problems: readonly string[] = []
  #running = false
  #isStopped = false
  #hasChanged = false
  #cancel = (): void => {}

  constructor(options: ProxyConfigMapsOptions) {
    this.#options = options
  }

  updateRoots(rootsPem: readonly string[]): void {
    if (isEqualData(rootsPem, this.#rootsPem)) return
    this.#rootsPem = rootsPem
    this.changed()
  }

  /** The namespaces, or who reports, may be other ones now. Called as often as one likes. */
  changed(): void {
    this.#hasChanged = true
    if (!this.#running) this.#schedule(settleMilliseconds)
  }

  /** What stands in the way, one line for each namespace. */
  problems(): readonly string[] {
    return this.#problems
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel()
  }

  #schedule(delayMilliseconds: number): void {
    this.#cancel()
    if (!this.#isStopped) this.#cancel = this.#options.clock.after(delayMilliseconds, () => void this.#run())
  }

  async #run(): Promise<void> {
    const { isReporter, log } = this.#options
    this.#running = true
    this.#hasChanged = false
    let delay = resyncMilliseconds
    try {
      const problems = isReporter() && this.#rootsPem.length > 0 ? await this.#reconcile() : []
      if (problems.length > 0) delay = retryMilliseconds
      this.#setProblems(problems)
    } catch (error) {
      delay = retryMilliseconds
      log.warn({ err: error }, 'could not see what proxies start with')
    }
    this.#running = false
    this.#schedule(this.#hasChanged ? settleMilliseconds : delay)
  }

  async #reconcile(): Promise<string[]> {
    const { configMaps, namespaces, toFiles } = this.#options
    const present = new Map((await configMaps.listNamed(proxyConfigMap)).map((each) => [each.metadata.namespace, each]))
    const ours = [...present.values()].filter(isOurs).map(({ metadata }) => metadata.namespace)
    const data = toFiles(this.#rootsPem)
    const problems: string[] = []
    for (const namespace of new Set([systemNamespace, ...namespaces(), ...ours])) {
      const problem = await this.#keep(namespace, present.get(namespace), data)
      if (problem !== undefined) problems.push(`ConfigMap/${namespace}/${proxyConfigMap}: ${problem}`)
    }
    return problems
  }

  async #keep(
    namespace: string,
    present: ConfigMap | undefined,
    data: Readonly<Record<string, string>>,
  ): Promise<string | undefined> {
    const { configMaps, log } = this.#options
    if (present && !isOurs(present))
      return "it is not Atoll's, and proxies in this namespace can not start until it is gone"
    if (present && isEqualData(present.data, data)) return undefined
    const metadata = present?.metadata ?? { name: proxyConfigMap, namespace, labels: agentObjectLabels }
    try {
      const kept = await (present ? configMaps.replace({ metadata, data }) : configMaps.create({ metadata, data }))
      if (!kept) return 'somebody else changes it at the same time'
      log.info({ namespace }, 'wrote what proxies start with')
      return undefined
    } catch (error) {
      return toErrorMessage(error)
    }
  }

  #setProblems(problems: readonly string[]): void {
    if (isEqualData(problems, this.#problems)) return
    this.#problems = problems
    this.#options.onProblems()
  }
}

const isOurs = ({ metadata: { labels = {} } }: ConfigMap): boolean => hasLabels(labels, agentObjectLabels)
