import { viewKeys } from '../view.ts'
import type { ModuleKey, WasmModule } from '../wasm/module-source.ts'
import type { AnswerWatch } from './answer-watch.ts'
import { setOrDelete } from './set-or-delete.ts'

/** What the agent has fetched of the outside: issuers' keys by URL, and modules. */
export class FetchedTable {
  readonly #watch: AnswerWatch
  readonly #keys = new Map<string, string>()
  readonly #modules = new Map<ModuleKey, WasmModule>()

  constructor(watch: AnswerWatch) {
    this.#watch = watch
  }

  keys(url: string): string | undefined {
    return this.#keys.get(url)
  }

  module(key: ModuleKey): WasmModule | undefined {
    return this.#modules.get(key)
  }

  setKeys(url: string, value: string | null): void {
    this.#watch.note(viewKeys.fetchedKeys(url), () => this.keys(url))
    setOrDelete(this.#keys, url, value)
  }

  setModule(key: ModuleKey, value: WasmModule | null): void {
    this.#watch.note(viewKeys.wasmModule(key), () => toText(this.module(key)))
    setOrDelete(this.#modules, key, value)
  }
}

/** What tells a module from another one, without its code. */
const toText = (module: WasmModule | undefined): string | undefined =>
  module && ('fault' in module ? `fault ${module.fault}` : module.digest)
