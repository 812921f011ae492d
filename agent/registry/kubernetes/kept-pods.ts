import type { Clock } from '#agent/clock.ts'
import { LateWriter } from '#agent/store/late-writer.ts'
import type { SealedSnapshot } from '#agent/store/sealed-snapshot.ts'
import { toWorkloadKey } from '#mesh/workload.ts'
import type { KnownPod } from './pod-directory.ts'

const writeDelayMilliseconds = 5000

/** The pods on disk, for a restart while the API server is away: who a proxy is hangs on them. */
export class KeptPods {
  readonly #snapshot: SealedSnapshot<KnownPod>
  readonly #writer: LateWriter
  #current: () => Iterable<KnownPod> = () => []

  constructor(snapshot: SealedSnapshot<KnownPod>, clock: Clock) {
    this.#snapshot = snapshot
    this.#writer = new LateWriter(clock, writeDelayMilliseconds, () =>
      snapshot.save({ savedAt: clock.now(), items: [...this.#current()] }),
    )
  }

  /** By "<namespace>/<name>"; undefined = none were kept. */
  load(): ReadonlyMap<string, KnownPod> | undefined {
    const items = this.#snapshot.load()?.items
    return items && new Map(items.map((pod) => [toWorkloadKey(pod.namespace, pod.name), pod]))
  }

  /** Pods have changed. `current` tells all of them when it is time to write. */
  changed(current: () => Iterable<KnownPod>): void {
    this.#current = current
    this.#writer.changed()
  }

  stop(): Promise<void> {
    return this.#writer.stop()
  }
}
