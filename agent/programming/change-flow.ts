import type { Log } from '#agent/log.ts'
import type { MeshViewStore } from '#mesh/mesh-view-store.ts'
import type { ViewChange, ViewKey } from '#mesh/view.ts'
import type { Compiler } from '#xds/compiler.ts'
import type { UnitProblem } from '#xds/incremental/unit-graph.ts'

/** Who is told that sets have changed: the xDS server. */
export interface ChangeSink {
  push(): void
  compiled(revision: number): void
}

/**
 * The way of every change: into the view, through the compiler, out to the proxies. One that comes alone goes at once; those that
 * come while the event loop has not turned since are taken together, so that a burst is compiled and pushed once.
 */
export class ChangeFlow {
  readonly #view: MeshViewStore
  readonly #compiler: Compiler
  readonly #sink: ChangeSink
  readonly #log: Log
  #pending: ViewChange[] = []
  /** What the view answers differently since the compiler last took it over. */
  #touched = new Set<ViewKey>()
  #revision = 0
  #compiledRevision: number | undefined
  #problems: readonly UnitProblem[] = []
  #isWaiting = false
  #isDue = false

  constructor(view: MeshViewStore, compiler: Compiler, sink: ChangeSink, log: Log) {
    this.#view = view
    this.#compiler = compiler
    this.#sink = sink
    this.#log = log
  }

  /** The configuration's revision that everything is compiled for. */
  get revision(): number {
    return this.#compiledRevision ?? 0
  }

  /** What the compiler has to say about objects now. */
  get problems(): readonly UnitProblem[] {
    return this.#problems
  }

  /** Takes changes; `revision` is the one that they complete, when they do. */
  submit(changes: readonly ViewChange[], revision = this.#revision): void {
    for (const change of changes) this.#pending.push(change)
    this.#revision = revision
    this.#isDue = true
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#isDue = false
    try {
      this.#flush()
    } catch (error) {
      // The proxies go on with what they have, and the next change tries again; ending the process would meet the same change.
      this.#log.error({ err: error }, 'could not take a change over')
    }
    setImmediate(() => {
      this.#isWaiting = false
      if (this.#isDue) this.submit([])
    })
  }

  #flush(): void {
    const changes = this.#pending
    this.#pending = []
    for (const key of this.#view.apply(changes)) this.#touched.add(key)
    const isNewRevision = this.#revision !== this.#compiledRevision
    if (this.#touched.size === 0 && !isNewRevision) return
    const { changed, moved, problems } = this.#compiler.update(this.#touched, this.#revision)
    this.#touched = new Set()
    this.#compiledRevision = this.#revision
    this.#problems = problems
    if (isNewRevision) this.#sink.compiled(this.#revision)
    else if (changed.length > 0 || moved.length > 0) this.#sink.push()
  }
}
