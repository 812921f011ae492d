import { RE2JS } from 're2js'
import type { Matcher } from './expression.ts'

export type Labels = ReadonlyMap<string, string>

export const METRIC_NAME = '__name__'

/** The same for the same labels, whatever their order. */
export const toLabelKey = (labels: Labels): string =>
  JSON.stringify([...labels].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))

export const withoutLabels = (labels: Labels, ...names: readonly string[]): Labels => {
  if (!names.some((name) => labels.has(name))) return labels
  return new Map([...labels].filter(([name]) => !names.includes(name)))
}

export const onlyLabels = (labels: Labels, names: readonly string[]): Labels =>
  new Map(names.flatMap((name) => (labels.get(name) ? [[name, labels.get(name) ?? ''] as const] : [])))

/** With a label that has this value; a label without a value is none. */
export const withLabel = (labels: Labels, name: string, value: string): Labels => {
  const changed = new Map(labels)
  if (value === '') changed.delete(name)
  else changed.set(name, value)
  return changed
}

/** The texts that a regular expression lists, if it does nothing else: `a|b|c`, as dashboards make it of what was chosen. */
export const toLiterals = (pattern: string): ReadonlySet<string> | undefined =>
  /^[\w\- /:,@|]*$/.test(pattern) ? new Set(pattern.split('|')) : undefined

/** Whether one value is what a matcher wants. Regular expressions are of RE2, and about the whole value; each value is tried once. */
const toValueTest = ({ operator, value }: Matcher): ((text: string) => boolean) => {
  if (operator === '=') return (text) => text === value
  if (operator === '!=') return (text) => text !== value
  const literals = toLiterals(value)
  if (literals) return (text) => literals.has(text) === (operator === '=~')
  const pattern = RE2JS.compile(value, RE2JS.DOTALL)
  const known = new Map<string, boolean>()
  return (text) => {
    const matches = known.get(text) ?? pattern.matches(text)
    known.set(text, matches)
    return matches === (operator === '=~')
  }
}

export const toLabelTest = (matchers: readonly Matcher[]): ((labels: Labels) => boolean) => {
  const tests = matchers.map((matcher) => [matcher.label, toValueTest(matcher)] as const)
  return (labels) => tests.every(([label, test]) => test(labels.get(label) ?? ''))
}
