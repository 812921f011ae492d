import { LabelIndex, toLabelsKey, type Labels } from './label-index.ts'

/**
 * For each of some selectors, keys of the proxies that it is known to select: those that another one of them asks for,
 * its own among them. Two with a key in common are for some of the same proxies, if there are any. No proxy is looked
 * at, so that it does not matter which labels one has by being where it is.
 */
export const findSelected = (selectors: readonly Labels[]): readonly (readonly string[])[] => {
  const keys = selectors.map(toLabelsKey)
  const all = [...new Map(keys.map((key, each) => [key, selectors[each] ?? {}]))]
  const index = new LabelIndex(all, ([, selector]) => selector)
  const selected = new Map(all.map(([key, selector]) => [key, index.select(selector).map(([other]) => other)]))
  return keys.map((key) => selected.get(key) ?? [])
}
