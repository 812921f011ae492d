import { systemNamespace } from '#mesh/kubernetes/conventions.ts'
import type { CliIo } from '../cli-io.ts'
import type { KubernetesApi } from './kubernetes-api.ts'
import { findPodTroubles } from './pod-troubles.ts'
import type { PodTrouble } from './pod-troubles.ts'

interface NoteTaker {
  readonly io: Pick<CliIo, 'stderr'>
  note(text: string): void
}

/** Sees while somebody waits why pods of Atoll do not run. None of it ends the wait: a node may be made, an image be pushed. */
export class PodTroubleWatch {
  readonly #context: NoteTaker
  readonly #api: Pick<KubernetesApi, 'list'>
  readonly #noted = new Set<string>()

  constructor(context: NoteTaker, api: Pick<KubernetesApi, 'list'>) {
    this.#context = context
    this.#api = api
  }

  /** What keeps pods from running now. Each of it is noted once where there is no terminal to show it on. */
  async look(): Promise<readonly string[]> {
    const troubles = (await this.#find()).filter(({ isStarting }) => !isStarting)
    for (const { pod, reason, text } of troubles) {
      const key = `${pod} ${reason}`
      if (this.#context.io.stderr.isTTY !== true && !this.#noted.has(key)) this.#context.note(text)
      this.#noted.add(key)
    }
    return troubles.map(({ text }) => text)
  }

  /** Also what is so with every pod that starts. */
  async lookAtAll(): Promise<readonly string[]> {
    return (await this.#find()).map(({ text }) => text)
  }

  /** Nothing where the pods can't be read: what is waited for says more than that. */
  async #find(): Promise<readonly PodTrouble[]> {
    try {
      const pods = await this.#api.list(
        { group: '', version: 'v1', resource: 'pods' },
        { fieldSelector: `metadata.namespace=${systemNamespace}` },
      )
      return findPodTroubles(pods)
    } catch {
      return []
    }
  }
}
