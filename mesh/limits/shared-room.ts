/** Room for things of many owners, of which each owner has a part at most: whoever makes up many keeps nobody else out. */
export class SharedRoom {
  readonly #most: number
  readonly #mostOfOwner: number
  readonly #taken = new Map<string, number>()
  #all = 0

  constructor(most: number, mostOfOwner: number) {
    this.#most = most
    this.#mostOfOwner = mostOfOwner
  }

  isFullFor(owner: string): boolean {
    return this.#all >= this.#most || this.isUsedUpBy(owner)
  }

  /** Whether an owner has all that one may have. */
  isUsedUpBy(owner: string): boolean {
    return this.#of(owner) >= this.#mostOfOwner
  }

  take(owner: string): void {
    this.#taken.set(owner, this.#of(owner) + 1)
    this.#all += 1
  }

  giveBack(owner: string): void {
    const left = this.#of(owner) - 1
    if (left > 0) this.#taken.set(owner, left)
    else this.#taken.delete(owner)
    this.#all -= 1
  }

  #of(owner: string): number {
    return this.#taken.get(owner) ?? 0
  }
}
