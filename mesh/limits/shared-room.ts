/**
 * Room for counts of all namespaces' limits together, of which each namespace has a part at most: whoever makes up consumers of one keeps nobody out of
 * the others'.
 */
export class SharedRoom {
  readonly #most: number
  readonly #mostOfNamespace: number
  readonly #taken = new Map<string, number>()
  #all = 0

  constructor(most: number, mostOfNamespace: number) {
    this.#most = most
    this.#mostOfNamespace = mostOfNamespace
  }

  isFullFor(namespace: string): boolean {
    return this.#all >= this.#most || this.isUsedUpBy(namespace)
  }

  /** Whether a namespace has all that one may have. */
  isUsedUpBy(namespace: string): boolean {
    return this.#of(namespace) >= this.#mostOfNamespace
  }

  take(namespace: string): void {
    this.#taken.set(namespace, this.#of(namespace) + 1)
    this.#all += 1
  }

  giveBack(namespace: string): void {
    const left = this.#of(namespace) - 1
    if (left > 0) this.#taken.set(namespace, left)
    else this.#taken.delete(namespace)
    this.#all -= 1
  }

  #of(namespace: string): number {
    return this.#taken.get(namespace) ?? 0
  }
}
