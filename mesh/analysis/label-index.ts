import { hasLabels } from '../has-labels.ts'
import { getOrAdd } from '../merge/get-or-add.ts'

export type Labels = Readonly<Record<string, string>>

/** Some values by the labels that they carry. To select some of them costs work in proportion to those with one of the labels. */
export class LabelIndex<Value> {
  readonly #all: readonly Labelled<Value>[]
  readonly #byLabel = new Map<string, Labelled<Value>[]>()

  constructor(values: readonly Value[], labelsOf: (value: Value) => Labels) {
    this.#all = values.map((value) => ({ value, labels: labelsOf(value) }))
    for (const each of this.#all)
      for (const label of toLabelTexts(each.labels)) getOrAdd(this.#byLabel, label, () => []).push(each)
  }

  /** Those that carry all of these labels, in their order. */
  select(wanted: Labels): readonly Value[] {
    // The rarest of the labels leaves the fewest to look at.
    const [candidates = this.#all] = toLabelTexts(wanted)
      .map((label) => this.#byLabel.get(label) ?? [])
      .toSorted((left, right) => left.length - right.length)
    return candidates.flatMap(({ value, labels }) => (hasLabels(labels, wanted) ? [value] : []))
  }
}

interface Labelled<Value> {
  readonly value: Value
  readonly labels: Labels
}

/** The same of values that are in namespaces. */
export class NamespacedLabelIndex<Value> {
  readonly #all: LabelIndex<Value>
  readonly #ofNamespaces: ReadonlyMap<string, LabelIndex<Value>>

  constructor(values: readonly Value[], namespaceOf: (value: Value) => string, labelsOf: (value: Value) => Labels) {
    this.#all = new LabelIndex(values, labelsOf)
    this.#ofNamespaces = new Map(
      [...Map.groupBy(values, namespaceOf)].map(([namespace, own]) => [namespace, new LabelIndex(own, labelsOf)]),
    )
  }

  /** Without a namespace those of all. */
  select(wanted: Labels, namespace?: string): readonly Value[] {
    const index = namespace === undefined ? this.#all : this.#ofNamespaces.get(namespace)
    return index?.select(wanted) ?? []
  }
}

/** The same for the same labels, in whatever order. */
export const toLabelsKey = (labels: Labels): string => JSON.stringify(toLabelTexts(labels).sort())

const toLabelTexts = (labels: Labels): string[] => Object.entries(labels).map((entry) => JSON.stringify(entry))
