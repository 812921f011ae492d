/** The first of some values, and the first that has another owner: one of them is another's for whoever asks. */
export class FirstByOwner<Value, Owner = Value> {
  #first: { readonly owner: Owner; readonly value: Value } | undefined
  #another: Value | undefined

  add(owner: Owner, value: Value): void {
    if (!this.#first) this.#first = { owner, value }
    else if (owner !== this.#first.owner) this.#another ??= value
  }

  ofAnother(than: Owner): Value | undefined {
    return this.#first?.owner === than ? this.#another : this.#first?.value
  }
}
