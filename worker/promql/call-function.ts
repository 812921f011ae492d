import { RE2JS } from 're2js'
import type { Expression, Selector } from './expression.ts'
import { histogramQuantile } from './histogram-quantile.ts'
import type { Labels } from './labels.ts'
import { METRIC_NAME, withLabel, withoutLabels } from './labels.ts'
import { QueryError } from './query-error.ts'
import type { Column, Value } from './value.ts'
import { joinColumns, mapColumn, put, read, toColumn } from './value.ts'

const unary: ReadonlyMap<string, (value: number) => number> = new Map([
  ['abs', Math.abs],
  ['ceil', Math.ceil],
  ['floor', Math.floor],
  ['exp', Math.exp],
  ['ln', Math.log],
  ['log2', Math.log2],
  ['log10', Math.log10],
  ['sqrt', Math.sqrt],
  ['sgn', Math.sign],
])

type Compute = (value: number, first: number, second: number) => number

const withNumbers: ReadonlyMap<string, Compute> = new Map<string, Compute>([
  ['clamp_min', (value, least) => Math.max(value, least)],
  ['clamp_max', (value, most) => Math.min(value, most)],
  ['clamp', (value, least, most) => Math.max(least, Math.min(value, most))],
  // As Prometheus does it: half rounds up, and the inverse is exact for 0.1, 0.01 …
  ['round', (value, unit) => Math.floor(value * (1 / unit) + 0.5) / (1 / unit)],
])

/** `$1`, `${1}`, `$name`, `${name}` and `$$`, as Go's `Expand`. */
const expand = (template: string, groupOf: (name: string) => string): string =>
  template.replaceAll(/\$(?:(\$)|(\w+)|\{(\w+)\})/g, (_, dollar?: string, bare?: string, braced?: string) =>
    dollar === undefined ? groupOf(bare ?? braced ?? '') : '$',
  )

const labelPattern = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const checkLabel = (name: string): string => {
  if (!labelPattern.test(name)) throw new QueryError(`"${name}" is not the name of a label`)
  return name
}

/** Instructions of RE2: each text may take time for all of them. */
const MAX_PATTERN_SIZE = 1000

const compile = (pattern: string): RE2JS => {
  let compiled: RE2JS
  try {
    compiled = RE2JS.compile(pattern, RE2JS.DOTALL)
  } catch {
    throw new QueryError(`"${pattern}" is not a regular expression of RE2`)
  }
  if (compiled.programSize() > MAX_PATTERN_SIZE) throw new QueryError(`"${pattern}" is too large a regular expression`)
  return compiled
}

const replaceLabel = (columns: readonly Column[], texts: readonly string[]): Column[] => {
  const [target = '', template = '', source = '', patternText = ''] = texts
  const pattern = compile(patternText)
  checkLabel(target)
  return columns.map((column) => {
    const matcher = pattern.matcher(column.labels.get(source) ?? '')
    if (!matcher.matches()) return column
    const groups = pattern.namedGroups()
    const value = expand(template, (name) => {
      const index = /^\d+$/.test(name) ? Number(name) : groups[name]
      return index === undefined || index > matcher.groupCount() ? '' : (matcher.group(index) ?? '')
    })
    return { ...column, labels: withLabel(column.labels, target, value) }
  })
}

const joinLabels = (columns: readonly Column[], [target = '', separator = '', ...sources]: readonly string[]) => {
  checkLabel(target)
  return columns.map((column) => {
    const value = sources.map((source) => column.labels.get(source) ?? '').join(separator)
    return { ...column, labels: withLabel(column.labels, target, value) }
  })
}

/** What `absent` can say of what is not there: what the selector wants of it. */
const toAbsentLabels = (of: Expression | undefined): Labels => {
  const equal = (of?.kind === 'selector' ? of.matchers : []).filter(
    ({ label, operator }: Selector['matchers'][number]) => operator === '=' && label !== METRIC_NAME,
  )
  const counts = Map.groupBy(equal, ({ label }) => label)
  return new Map(equal.filter(({ label }) => counts.get(label)?.length === 1).map(({ label, value }) => [label, value]))
}

const lastOf = ({ values }: Column): number => values.at(-1) ?? Number.NaN

export interface Steps {
  readonly startMs: number
  readonly stepMs: number
  readonly count: number
}

/** A function over values that are known (Prometheus reference: Functions); those over ranges are in range-functions.ts. */
export const callFunction = (
  name: string,
  args: readonly Value[],
  expressions: readonly Expression[],
  { startMs, stepMs, count }: Steps,
): Value => {
  const columnsOf = (index: number): readonly Column[] => {
    const value = args[index]
    return value?.kind === 'vector' ? value.columns : []
  }
  const numbersOf = (index: number, otherwise = 0): Float64Array => {
    const value = args[index]
    return value?.kind === 'scalar' ? value.values : new Float64Array(count).fill(otherwise)
  }
  const texts = args.flatMap((value) => (value.kind === 'text' ? [value.text] : []))
  const toVector = (columns: readonly Column[]): Value => ({ kind: 'vector', columns: joinColumns(columns) })
  const mapValues = (change: (value: number, step: number) => number) =>
    toVector(columnsOf(0).map((column) => mapColumn(column, withoutLabels(column.labels, METRIC_NAME), change)))

  const compute = unary.get(name)
  if (compute) return mapValues(compute)
  const computeWith = withNumbers.get(name)
  if (computeWith) {
    const [first, second] = [numbersOf(1, 1), numbersOf(2)]
    return mapValues((value, step) => computeWith(value, first[step] ?? 1, second[step] ?? 0))
  }
  switch (name) {
    case 'histogram_quantile':
      return toVector(histogramQuantile(numbersOf(0), columnsOf(1)))
    case 'label_replace':
      return toVector(replaceLabel(columnsOf(0), texts))
    case 'label_join':
      return toVector(joinLabels(columnsOf(0), texts))
    case 'sort':
      return toVector(columnsOf(0).toSorted((a, b) => lastOf(a) - lastOf(b)))
    case 'sort_desc':
      return toVector(columnsOf(0).toSorted((a, b) => lastOf(b) - lastOf(a)))
    case 'vector': {
      const column = toColumn(new Map(), count)
      for (const [step, value] of numbersOf(0).entries()) put(column, step, value)
      return toVector([column])
    }
    case 'scalar': {
      const values = new Float64Array(count).map((_, step) => {
        const present = columnsOf(0).flatMap((column) => read(column, step) ?? [])
        return present.length === 1 ? (present[0] ?? Number.NaN) : Number.NaN
      })
      return { kind: 'scalar', values }
    }
    case 'absent': {
      const column = toColumn(toAbsentLabels(expressions[0]), count)
      for (let step = 0; step < count; step++) {
        if (columnsOf(0).every(({ has }) => has[step] === 0)) put(column, step, 1)
      }
      return toVector([column])
    }
    case 'time':
      return { kind: 'scalar', values: new Float64Array(count).map((_, step) => (startMs + step * stepMs) / 1000) }
    default:
      throw new QueryError(`the function ${name} is not supported`)
  }
}
