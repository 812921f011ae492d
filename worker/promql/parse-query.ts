import { parser } from '@prometheus-io/lezer-promql'
import { RE2JS } from 're2js'
import type { Expression, Grouping, Matcher, Matching, Selector } from './expression.ts'
import { toLiterals } from './labels.ts'
import { parseDuration, parseNumber, parseText } from './literals.ts'
import { QueryError } from './query-error.ts'
import { checkTypes } from './signatures.ts'

type Node = ReturnType<typeof parser.parse>['topNode']

const MAX_QUERY_LENGTH = 32 * 1024
const MAX_DEPTH = 100

/**
 * Instructions of RE2 that all regular expressions together come to. Each distinct value of a label may take time for each of them: ten characters such as `(a{0,30}){0,30}` are two
 * thousand. Those that only list texts are looked up, and cost nothing.
 */
const MAX_PATTERN_SIZE = 3000

const measurePattern = (pattern: string, refuse: () => never): number => {
  if (toLiterals(pattern)) return 0
  try {
    return RE2JS.compile(pattern).programSize()
  } catch {
    return refuse()
  }
}

const childrenOf = (node: Node): Node[] => {
  const children: Node[] = []
  for (let child = node.firstChild; child; child = child.nextSibling) {
    if (child.name !== 'LineComment') children.push(child)
  }
  return children
}

const expressions = new Set([
  'AggregateExpr',
  'BinaryExpr',
  'FunctionCall',
  'MatrixSelector',
  'NumberDurationLiteral',
  'OffsetExpr',
  'ParenExpr',
  'StepInvariantExpr',
  'StringLiteral',
  'SubqueryExpr',
  'UnaryExpr',
  'VectorSelector',
])
const isExpression = ({ name }: Node): boolean => expressions.has(name)

/** Reads the tree that Prometheus' own grammar makes of a query. */
const toReader = (query: string) => {
  let patternSize = 0
  const textOf = ({ from, to }: Node): string => query.slice(from, to)
  const refuse = (node: Node, message: string): never => {
    throw new QueryError(`${message} (at ${node.from + 1})`)
  }
  const partOf = (node: Node, ...names: readonly string[]): Node =>
    childrenOf(node).find(({ name }) => names.includes(name)) ?? refuse(node, 'the query is not complete')
  const expressionIn = (node: Node): Node =>
    childrenOf(node).find(isExpression) ?? refuse(node, 'the query is not complete')

  const readLabels = (node: Node): string[] =>
    childrenOf(node).map((label) => (label.name === 'QuotedLabelName' ? parseText(textOf(label)) : textOf(label)))

  const readMatcher = (node: Node): Matcher => {
    if (node.name === 'QuotedLabelName') return { label: '__name__', operator: '=', value: parseText(textOf(node)) }
    const [name, operator, value] = childrenOf(node)
    if (!name || !operator || !value) return refuse(node, 'a matcher is not complete')
    const matcher = {
      label: name.name === 'QuotedLabelName' ? parseText(textOf(name)) : textOf(name),
      operator: textOf(operator) as Matcher['operator'],
      value: parseText(textOf(value)),
    }
    if (matcher.operator.endsWith('~')) {
      patternSize += measurePattern(matcher.value, () =>
        refuse(value, `${textOf(value)} is not a regular expression of RE2`),
      )
      if (patternSize > MAX_PATTERN_SIZE) refuse(value, 'the regular expressions of the query are too large')
    }
    return matcher
  }

  const readSelector = (node: Node): Selector => {
    const name = childrenOf(node).find((child) => child.name === 'Identifier')
    const list = childrenOf(node).find((child) => child.name === 'LabelMatchers')
    const matchers: Matcher[] = [
      ...(name ? [{ label: '__name__', operator: '=', value: textOf(name) } as const] : []),
      ...(list ? childrenOf(list).map(readMatcher) : []),
    ]
    const admitsNothing = matchers.every(({ operator, value }) =>
      operator === '='
        ? value === ''
        : operator === '!='
          ? value !== ''
          : RE2JS.matches(value, '') === (operator === '=~'),
    )
    if (admitsNothing) refuse(node, 'a selector is to have a matcher that the empty text does not match')
    return { kind: 'selector', matchers, offsetMs: 0 }
  }

  const readDuration = (node: Node): number => {
    if (node.name === 'OffsetDurationExpr' && node.firstChild?.name === 'UnaryOp') {
      const sign = textOf(node.firstChild) === '-' ? -1 : 1
      return sign * readDuration(partOf(node, 'OffsetDurationExpr'))
    }
    const duration = parseDuration(textOf(node))
    return duration ?? refuse(node, `${textOf(node)} is not a duration that is understood here`)
  }

  const readGrouping = (node: Node): Grouping => {
    const modifier = childrenOf(node).find(({ name }) => name === 'AggregateModifier')
    if (!modifier) return { by: true, labels: [] }
    return {
      by: childrenOf(modifier).some(({ name }) => name === 'By'),
      labels: readLabels(partOf(modifier, 'GroupingLabels')),
    }
  }

  const readMatching = (node: Node): Matching => {
    const clause = childrenOf(node).find(({ name }) => name === 'MatchingModifierClause')
    if (!clause) return { on: false, labels: [], include: [] }
    const parts = childrenOf(clause)
    const side = parts.findIndex(({ name }) => name === 'GroupLeft' || name === 'GroupRight')
    const [first] = parts.slice(0, side === -1 ? undefined : side).filter(({ name }) => name === 'GroupingLabels')
    const included = side === -1 ? undefined : parts.slice(side).find(({ name }) => name === 'GroupingLabels')
    return {
      on: parts.some(({ name }) => name === 'On'),
      labels: first ? readLabels(first) : [],
      ...(side !== -1 && { many: parts[side]?.name === 'GroupLeft' ? 'left' : 'right' }),
      include: included ? readLabels(included) : [],
    }
  }

  const read = (node: Node, depth: number): Expression => {
    if (depth > MAX_DEPTH) refuse(node, `the query is nested deeper than ${MAX_DEPTH}`)
    const readIn = (inner: Node): Expression => read(inner, depth + 1)
    switch (node.name) {
      case 'NumberDurationLiteral':
        return { kind: 'number', value: parseNumber(textOf(node)) }
      case 'StringLiteral':
        return { kind: 'text', value: parseText(textOf(node)) }
      case 'ParenExpr':
        return readIn(expressionIn(node))
      case 'VectorSelector':
        return readSelector(node)
      case 'MatrixSelector': {
        const rangeMs = readDuration(partOf(node, 'DurationExpr'))
        if (rangeMs <= 0) refuse(node, 'a range is to be more than nothing')
        if (expressionIn(node).name !== 'VectorSelector') refuse(node, 'a range is of a selector')
        return { ...readSelector(partOf(node, 'VectorSelector')), rangeMs }
      }
      case 'OffsetExpr': {
        const of = readIn(expressionIn(node))
        if (of.kind !== 'selector') return refuse(node, 'offset is for selectors')
        return { ...of, offsetMs: readDuration(partOf(node, 'OffsetDurationExpr')) }
      }
      case 'UnaryExpr': {
        const of = readIn(expressionIn(node))
        return textOf(partOf(node, 'UnaryOp')) === '-' ? { kind: 'negation', of } : of
      }
      case 'FunctionCall':
        return {
          kind: 'call',
          name: textOf(partOf(node, 'FunctionIdentifier')),
          args: childrenOf(partOf(node, 'FunctionCallBody')).map(readIn),
        }
      case 'AggregateExpr': {
        const operator = textOf(partOf(node, 'AggregateOp')).toLowerCase()
        const args = childrenOf(partOf(node, 'FunctionCallBody')).map(readIn)
        const of = args.at(-1)
        if (!of || args.length > 2) return refuse(node, `${operator} takes one instant vector`)
        const [parameter] = args.length === 2 ? args : []
        return { kind: 'aggregation', operator, ...(parameter && { parameter }), of, grouping: readGrouping(node) }
      }
      case 'BinaryExpr': {
        const [left, operator, ...others] = childrenOf(node)
        const right = others.at(-1)
        if (!left || !operator || !right) return refuse(node, 'an operation is not complete')
        if (others.some(({ name }) => name === 'FillModifier')) refuse(node, 'fill is not supported')
        return {
          kind: 'operation',
          operator: textOf(operator).toLowerCase(),
          left: readIn(left),
          right: readIn(right),
          isBool: others.some(({ name }) => name === 'BoolModifier'),
          matching: readMatching(node),
        }
      }
      case 'SubqueryExpr':
        return refuse(node, 'subqueries are not supported')
      case 'StepInvariantExpr':
        return refuse(node, '@ is not supported')
      default:
        return refuse(node, `"${textOf(node)}" is not understood`)
    }
  }

  return (root: Node): Expression => {
    root.cursor().iterate(({ type, from, node }) => {
      if (!type.isError) return
      const rest = query.slice(from, from + 20)
      refuse(node, rest === '' ? 'the query ends too early' : `the query is not understood from "${rest}" on`)
    })
    return read(expressionIn(root), 0)
  }
}

/**
 * Prometheus' language, less what is refused by name: subqueries, `@`, native histograms, some functions.
 *
 * @throws QueryError
 */
export const parseQuery = (query: string): Expression => {
  if (query.length > MAX_QUERY_LENGTH) throw new QueryError(`the query is longer than ${MAX_QUERY_LENGTH} characters`)
  const expression = toReader(query)(parser.parse(query).topNode)
  checkTypes(expression)
  return expression
}

/** What selects series, and nothing else: `match[]` of Prometheus' API. */
export const parseSelector = (text: string): Selector => {
  const expression = parseQuery(text)
  if (expression.kind !== 'selector' || expression.rangeMs !== undefined || expression.offsetMs !== 0) {
    throw new QueryError(`"${text}" is to be a selector of series`)
  }
  return expression
}
