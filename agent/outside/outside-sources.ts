import { IssuerKeys, type IssuerKeysOptions } from '#agent/jwks/issuer-keys.ts'
import type { KeySetStatus } from '#agent/jwks/key-sets.ts'
import { WasmModules, type WasmModulesOptions } from '#agent/wasm/wasm-modules.ts'
import type { CompileProblem } from '#xds/incremental/unit.ts'

/** What objects name that has to be fetched from elsewhere: the keys of issuers, and modules. */
export class OutsideSources {
  readonly #keys: IssuerKeys
  readonly #modules: WasmModules

  constructor(options: IssuerKeysOptions & WasmModulesOptions) {
    this.#keys = new IssuerKeys(options)
    this.#modules = new WasmModules(options)
  }

  /** Has what was kept, and asks for what is named. */
  start(): void {
    this.#keys.start()
    this.#modules.start()
  }

  /** Resolves when proxies can be served: keys are known, or their issuers take too long. Modules are waited for by their filters. */
  asked(): Promise<void> {
    return this.#keys.asked()
  }

  /** Others may be named now. Called as often as one likes. */
  namesChanged(): void {
    this.#keys.namesChanged()
    this.#modules.namesChanged()
  }

  problems(): readonly CompileProblem[] {
    return [...this.#keys.problems(), ...this.#modules.problems()]
  }

  keySets(): readonly KeySetStatus[] {
    return this.#keys.statuses()
  }

  async stop(): Promise<void> {
    await Promise.all([this.#keys.stop(), this.#modules.stop()])
  }
}
