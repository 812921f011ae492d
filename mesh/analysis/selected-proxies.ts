import { hasLabels } from '../has-labels.ts'
import { getOrAdd } from '../merge/get-or-add.ts'

type Labels = Readonly<Record<string, string>>

/**
 * For each of some selectors, keys of the proxies that it is known to select: those that another one of them asks for,
 * its own among them. Two with a key in common are for some of the same proxies, if there are any. No proxy is looked
 * at, so that it does not matter which labels one has by being where it is.
 */
export const findSelected = (selectors: readonly Labels[]): readonly (readonly string[])[] => {
  const all = [...new Map(selectors.map((selector) => [toKey(selector), selector]))]
  const byLabel = new Map<string, (typeof all)[number][]>()
  for (const each of all) for (const label of toLabels(each[1])) getOrAdd(byLabel, label, () => []).push(each)
  const toSelected = (selector: Labels): string[] => {
    // The rarest of its labels leaves the fewest to look at.
    const [candidates = all] = toLabels(selector)
      .map((label) => byLabel.get(label) ?? [])
      .toSorted((left, right) => left.length - right.length)
    return candidates.filter(([, other]) => hasLabels(other, selector)).map(([key]) => key)
  }
  const selected = new Map(all.map(([key, selector]) => [key, toSelected(selector)]))
  return selectors.map((selector) => selected.get(toKey(selector)) ?? [])
}

const toLabels = (selector: Labels): string[] => Object.entries(selector).map((entry) => JSON.stringify(entry))

const toKey = (selector: Labels): string => JSON.stringify(toLabels(selector).sort())
