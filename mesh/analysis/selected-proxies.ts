import { LabelIndex, toLabelsKey, type Labels } from './label-index.ts'

/** Numbers of proxies; the same array for the same selector. */
export type SelectedProxies = readonly number[]

/**
 * For each of some selectors, the proxies that it is known to select: those that another one of them asks for, its own
 * among them. Two with one in common are for some of the same proxies, if there are any. No proxy is looked at, so
 * that it does not matter which labels one has by being where it is.
 */
export const findSelected = (selectors: readonly Labels[]): readonly SelectedProxies[] => {
  const keys = selectors.map(toLabelsKey)
  const distinct = [...new Map(keys.map((key, each) => [key, selectors[each] ?? {}]))]
  const index = new LabelIndex([...distinct.keys()], (proxy) => distinct[proxy]?.[1] ?? {})
  const selected = new Map(distinct.map(([key, selector]) => [key, index.select(selector)]))
  return keys.map((key) => selected.get(key) ?? [])
}
