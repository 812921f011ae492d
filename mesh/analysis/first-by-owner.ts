interface Owned<Value, Owner> {
  readonly owner: Owner
  readonly value: Value
}

/** The first of some values, and the first that has another owner: one of them is another's for whoever asks. */
export class FirstByOwner<Value, Owner = Value> {
  #first: Owned<Value, Owner> | undefined
  #another: Owned<Value, Owner> | undefined

  add(owner: Owner, value: Value): void {
    if (!this.#first) this.#first = { owner, value }
    else if (owner !== this.#first.owner) this.#another ??= { owner, value }
  }

  ofAnother(than: Owner): Value | undefined {
    return (this.#first?.owner === than ? this.#another : this.#first)?.value
  }

  /** All that has to be added elsewhere for the same answers there. */
  kept(): readonly Owned<Value, Owner>[] {
    return [this.#first, this.#another].filter((each) => each !== undefined)
  }
}
