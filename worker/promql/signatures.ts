import { QueryError } from './query-error.ts'
import type { Expression } from './expression.ts'

export type ValueType = 'scalar' | 'vector' | 'range' | 'text'

interface Signature {
  readonly takes: readonly ValueType[]
  /** How many of the last of these may be left out. */
  readonly optional?: number
  /** The last may be given many times, or not at all. */
  readonly isVariadic?: boolean
  readonly gives: ValueType
}

const ofRange: Signature = { takes: ['range'], gives: 'vector' }
const ofVector: Signature = { takes: ['vector'], gives: 'vector' }

const signatures = new Map<string, Signature>([
  ...[
    'rate',
    'increase',
    'irate',
    'delta',
    'idelta',
    'changes',
    'resets',
    'avg_over_time',
    'min_over_time',
    'max_over_time',
    'sum_over_time',
    'count_over_time',
    'last_over_time',
    'present_over_time',
  ].map((name) => [name, ofRange] as const),
  ...['abs', 'ceil', 'floor', 'exp', 'ln', 'log2', 'log10', 'sqrt', 'sgn', 'sort', 'sort_desc', 'absent'].map(
    (name) => [name, ofVector] as const,
  ),
  ['round', { takes: ['vector', 'scalar'], optional: 1, gives: 'vector' }],
  ['clamp', { takes: ['vector', 'scalar', 'scalar'], gives: 'vector' }],
  ['clamp_min', { takes: ['vector', 'scalar'], gives: 'vector' }],
  ['clamp_max', { takes: ['vector', 'scalar'], gives: 'vector' }],
  ['histogram_quantile', { takes: ['scalar', 'vector'], gives: 'vector' }],
  ['label_replace', { takes: ['vector', 'text', 'text', 'text', 'text'], gives: 'vector' }],
  ['label_join', { takes: ['vector', 'text', 'text', 'text'], isVariadic: true, gives: 'vector' }],
  ['scalar', { takes: ['vector'], gives: 'scalar' }],
  ['vector', { takes: ['scalar'], gives: 'vector' }],
  ['time', { takes: [], gives: 'scalar' }],
])

/** Aggregations, and what their parameter is. */
const aggregations = new Map<string, ValueType | undefined>([
  ...['sum', 'avg', 'min', 'max', 'count', 'group', 'stddev', 'stdvar'].map((name) => [name, undefined] as const),
  ...['topk', 'bottomk', 'quantile'].map((name) => [name, 'scalar'] as const),
])

const words: Readonly<Record<ValueType, string>> = {
  scalar: 'a number',
  vector: 'an instant vector',
  range: 'a range vector',
  text: 'a text',
}

const expectType = (expression: Expression, type: ValueType, place: string): void => {
  const found = checkTypes(expression)
  if (found !== type) throw new QueryError(`${place} is to be ${words[type]}, not ${words[found]}`)
}

const checkCall = (name: string, args: readonly Expression[]): ValueType => {
  const signature = signatures.get(name)
  if (!signature) throw new QueryError(`the function ${name} is not supported`)
  const { takes, optional = 0, isVariadic = false, gives } = signature
  const least = takes.length - (isVariadic ? 1 : optional)
  if (args.length < least || (args.length > takes.length && !isVariadic)) {
    throw new QueryError(
      `${name} takes ${least === takes.length ? least : `${least} or more`} arguments, not ${args.length}`,
    )
  }
  for (const [index, arg] of args.entries()) {
    const type = takes[index] ?? takes.at(-1)
    if (type) expectType(arg, type, `argument ${index + 1} of ${name}`)
  }
  return gives
}

const setOperators = new Set(['and', 'or', 'unless'])
const comparisons = new Set(['==', '!=', '>', '<', '>=', '<='])

/**
 * What an expression gives.
 *
 * @throws QueryError where a part is not what stands around it takes, or is nothing that is understood here.
 */
export const checkTypes = (expression: Expression): ValueType => {
  switch (expression.kind) {
    case 'number':
      return 'scalar'
    case 'text':
      return 'text'
    case 'selector':
      return expression.rangeMs === undefined ? 'vector' : 'range'
    case 'negation': {
      const type = checkTypes(expression.of)
      if (type !== 'scalar' && type !== 'vector') throw new QueryError(`${words[type]} has no negative`)
      return type
    }
    case 'call':
      return checkCall(expression.name, expression.args)
    case 'aggregation': {
      const { operator, parameter, of } = expression
      if (!aggregations.has(operator)) throw new QueryError(`the aggregation ${operator} is not supported`)
      const type = aggregations.get(operator)
      if ((type === undefined) !== (parameter === undefined)) {
        throw new QueryError(`${operator} takes ${type ? 'a number, and' : 'nothing but'} an instant vector`)
      }
      if (type && parameter) expectType(parameter, type, `what ${operator} takes first`)
      expectType(of, 'vector', `what ${operator} aggregates`)
      return 'vector'
    }
    case 'operation': {
      const { operator, left, right, isBool, matching } = expression
      const types = [checkTypes(left), checkTypes(right)]
      for (const type of types) {
        if (type === 'range' || type === 'text') throw new QueryError(`${operator} does not take ${words[type]}`)
      }
      const isScalar = types.every((type) => type === 'scalar')
      if (setOperators.has(operator) && types.includes('scalar')) {
        throw new QueryError(`both sides of ${operator} are to be instant vectors`)
      }
      if (isBool && !comparisons.has(operator)) throw new QueryError(`bool is for comparisons, not for ${operator}`)
      if (isScalar && comparisons.has(operator) && !isBool) {
        throw new QueryError(`a comparison of numbers takes bool: ${operator} bool`)
      }
      if (types.includes('scalar') && (matching.on || matching.labels.length > 0)) {
        throw new QueryError(`on and ignoring are for operations of two instant vectors`)
      }
      return isScalar ? 'scalar' : 'vector'
    }
  }
}
