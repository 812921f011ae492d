import { toClientSelectorKey, type ClientSelector, type ClientSelectorKey } from '../client-selectors.ts'
import { compareText } from './compare-text.ts'
import { MultiMap } from './multi-map.ts'

/** The selectors of clients that objects depend on, each once. */
export class SelectorsInUse {
  readonly #selectors = new Map<ClientSelectorKey, ClientSelector>()
  readonly #users = new MultiMap<ClientSelectorKey, string>()

  /** Sorted by key. */
  all(): readonly ClientSelector[] {
    return [...this.#selectors].toSorted(([left], [right]) => compareText(left, right)).map(([, selector]) => selector)
  }

  /** What an object depends on now, and before. */
  replace(user: string, before: readonly ClientSelector[], after: readonly ClientSelector[]): void {
    for (const selector of before) {
      const key = toClientSelectorKey(selector)
      this.#users.delete(key, user)
      if (!this.#users.has(key)) this.#selectors.delete(key)
    }
    for (const selector of after) {
      const key = toClientSelectorKey(selector)
      this.#users.add(key, user)
      this.#selectors.set(key, selector)
    }
  }
}
