import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '#agent/clock.ts'
import type { AgentConfig } from '#agent/config.ts'
import type { DataDirectory } from '#agent/data-directory.ts'
import type { Log } from '#agent/log.ts'
import { toFetching } from '#agent/outside/to-fetching.ts'
import type { MeshViewStore } from '#mesh/mesh-view-store.ts'
import type { ViewChange } from '#mesh/view.ts'
import { selectModules, type ModuleSource, type NamedModule } from '#mesh/wasm/module-source.ts'
import type { CompileProblem } from '#xds/incremental/unit.ts'
import { fetchModule } from './fetch-module.ts'
import { ModuleFiles } from './module-files.ts'
import { PullSecrets } from './pull-secrets.ts'
import { keptModule, Modules } from './modules.ts'

export interface WasmModulesOptions {
  readonly view: Pick<MeshViewStore, 'modules' | 'settings'>
  readonly config: Pick<AgentConfig, 'wasm'>
  readonly credentials: ConstructorParameters<typeof PullSecrets>[0]
  /** PEM: whom registries and servers of modules are verified against, beside the public authorities. */
  readonly modulesCa: string | undefined
  readonly data: Pick<DataDirectory, 'openSnapshot' | 'path'>
  readonly clock: Clock
  readonly random: () => number
  readonly log: Log
  readonly onChanges: (changes: readonly ViewChange[]) => void
  /** Something else may be wrong. */
  readonly onProblems: () => void
  readonly reportStoreProblem: (problem: string) => void
}

/** Changes come in bursts. */
const settleMilliseconds = 50

/** What the WasmPlugins of this cluster need of the outside. */
export class WasmModules {
  readonly #options: WasmModulesOptions
  readonly #modules: Modules
  readonly #secrets: PullSecrets
  #named: readonly NamedModule[] = []
  #cancel: (() => void) | undefined

  constructor(options: WasmModulesOptions) {
    const { view, config, modulesCa: ca, data, clock, random, log, onChanges, onProblems } = options
    this.#options = options
    this.#secrets = new PullSecrets(options.credentials)
    const fetching = toFetching({ allow: config.wasm.allow, domainSuffix: view.settings().domainSuffix, ca, clock })
    this.#modules = new Modules({
      clock,
      random,
      log,
      fetch: async (source) => fetchModule(source, await this.#secrets.loginFor(source), fetching),
      files: new ModuleFiles(join(data.path, 'wasm-modules'), options.reportStoreProblem),
      snapshot: data.openSnapshot('wasm-modules', keptModule),
      onChanges,
      onProblems,
    })
  }

  /** Has what was kept, and asks for what is named. */
  start(): void {
    this.#modules.load()
    this.#settle()
  }

  /** Others may be named now, or Secrets say something else. Called as often as one likes. */
  namesChanged(): void {
    this.#cancel ??= this.#options.clock.after(settleMilliseconds, () => {
      this.#cancel = undefined
      this.#settle()
    })
  }

  async stop(): Promise<void> {
    this.#cancel?.()
    this.#cancel = () => {}
    await this.#modules.stop()
  }

  /** What is wrong with modules that are there, at the objects that name them; of others the compiler says it. */
  problems(): readonly CompileProblem[] {
    const statuses = new Map(this.#modules.statuses().map((status) => [status.key, status]))
    return this.#named.flatMap((named) => {
      const { key, objects } = named
      const { failure, fetchedAt } = statuses.get(key) ?? {}
      const text = toMessage(failure ?? this.#secrets.faultOf(named), fetchedAt)
      return text === undefined ? [] : objects.map((object) => ({ object, message: `spec.url: ${text}` }))
    })
  }

  #settle(): void {
    this.#named = this.#options.view.modules()
    const selected = new Set(selectModules(this.#named))
    const changed = this.#secrets.want([...selected])
    this.#modules.want(
      [...selected].map(toKept),
      this.#named.filter((named) => !selected.has(named)),
    )
    this.#modules.retry(changed)
  }
}

/** What it is refreshed by is long, and only compared. */
const toKept = ({ refreshedBy, ...source }: NamedModule): ModuleSource => ({
  ...source,
  refreshedBy: refreshedBy && createHash('sha256').update(refreshedBy).digest('hex'),
})

const toMessage = (failure: string | undefined, fetchedAt: number | undefined): string | undefined =>
  failure === undefined || fetchedAt === undefined
    ? undefined
    : `${failure}: the module of ${new Date(fetchedAt).toISOString()} goes on`
