import { parse } from '@bufbuild/cel'
import { toErrorMessage } from '../../error-message.ts'
import { childrenOf, isTooDeep, type Expression } from './cel-depth.ts'
import { escapeFault } from './cel-escapes.ts'
import { estimateCost } from './expression-cost.ts'
import { regularExpressionFault } from './regular-expression.ts'

/** None of a person's comes near. */
const maxLength = 4096

/** Envoy's limit to an expression that CEL's `matches` is given; other ones may have more. */
const maxProgramSize = 100

const ofTimestamp =
  'getFullYear getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear getHours getMinutes getSeconds getMilliseconds'

const toCounts = (names: string, ...counts: readonly number[]): Readonly<Record<string, readonly number[]>> =>
  Object.fromEntries(names.split(' ').map((name) => [name, counts]))

/** By the numbers of arguments. */
interface Callable {
  readonly methods: Readonly<Record<string, readonly number[]>>
  readonly functions: Readonly<Record<string, readonly number[]>>
}

/** What Envoy 1.40 has without a `CelExpressionConfig`. A proxy refuses a listener for any other one. */
const basic: Callable = {
  methods: {
    ...toCounts('size', 0),
    ...toCounts('contains startsWith endsWith matches', 1),
    ...toCounts(ofTimestamp, 0, 1),
  },
  functions: {
    ...toCounts('size bytes int uint double bool duration timestamp type dyn', 1),
    ...toCounts('contains startsWith endsWith matches', 2),
  },
}

/** … and with that all on. */
const whole: Callable = {
  methods: {
    ...basic.methods,
    ...toCounts('lowerAscii upperAscii trim reverse', 0),
    ...toCounts('charAt format', 1),
    ...toCounts('split indexOf lastIndexOf substring', 1, 2),
    ...toCounts('replace', 2, 3),
    ...toCounts('join', 0, 1),
  },
  functions: { ...basic.functions, ...toCounts('string', 1) },
}
/** Their fields are the same. */
const messages: readonly string[] = ['google.protobuf.Duration', 'google.protobuf.Timestamp']
const fields: readonly string[] = ['seconds', 'nanos']

type Constant = Extract<Expression['exprKind'], { case: 'constExpr' }>['value']['constantKind']

/** Why Envoy would refuse an expression of CEL, for its syntax, its depth or for what it calls; undefined when it takes it. Envoy takes any attributes and types: `filterFault` looks at those. */
export const celFault = (text: string, callable = whole): string | undefined => {
  if (text.length > maxLength) return `is longer than ${maxLength} characters`
  try {
    const { expr } = parse(text)
    if (isTooDeep(text)) return 'is nested too deep: proxies go 32 levels down'
    return escapeFault(text) ?? (expr && expressionFault(expr, callable))
  } catch (error) {
    return `is not an expression of CEL${toPlace(toErrorMessage(error))}`
  }
}

/**
 * An expression whose value is a label (Istio reference: MetricsOverrides.TagOverride): any value is written as a text there, so that a `string()`
 * around the whole, which Envoy has not there, is left out. So are spaces and new lines around it.
 */
export const toLabelExpression = (text: string): string => {
  const inner = /^\s*string\s*\(([^]*)\)\s*$/.exec(text)?.[1]
  return (inner !== undefined && isExpression(inner) ? inner : text).trim()
}

const isExpression = (text: string): boolean => {
  try {
    parse(text)
    return true
  } catch {
    return false
  }
}

/** As `celFault`, of an expression whose value is a label. */
export const labelExpressionFault = (text: string): string | undefined => {
  // It goes between two of them, as Envoy's command operators do.
  if (text.includes('%')) return 'holds a "%", which proxies take for the end of an operator'
  const expression = toLabelExpression(text)
  if (expression.includes('\n')) return 'has several lines: write it in one, in YAML with ">-" in place of "|"'
  const fault = celFault(expression, basic)
  return fault?.includes('string()') ? `${fault}; around the whole it may stand` : fault
}

const toPlace = (message: string): string => {
  const [, line, column, found] = /^<input>:(\d+):(\d+): found ([^]+?) but expecting/.exec(message) ?? []
  if (found === undefined) return ''
  return found === 'end of input' ? ': it ends too early' : `: "${found}" at ${line}:${column}`
}

const expressionFault = (expression: Expression, callable: Callable): string | undefined => {
  const own = ownFault(expression, callable)
  if (own !== undefined) return own
  for (const child of childrenOf(expression)) {
    const fault = expressionFault(child, callable)
    if (fault !== undefined) return fault
  }
  return undefined
}

const ownFault = ({ exprKind: { case: kind, value } }: Expression, callable: Callable): string | undefined => {
  switch (kind) {
    case 'constExpr':
      return numberFault(value.constantKind)
    case 'callExpr':
      return callFault(value.function, value.target, value.args, callable)
    case 'structExpr':
      return value.messageName === ''
        ? undefined
        : messageFault(
            value.messageName,
            value.entries.map(({ keyKind }) => (keyKind.case === 'fieldKey' ? keyKind.value : '')),
          )
    case 'comprehensionExpr':
      return 'has a loop (all, exists, exists_one, filter, map): proxies run none'
    default:
      return undefined
  }
}

/** The parser here takes integers of any length. */
const numberFault = ({ case: kind, value }: Constant): string | undefined =>
  (kind === 'int64Value' && BigInt.asIntN(64, value) !== value) ||
  (kind === 'uint64Value' && BigInt.asUintN(64, value) !== value)
    ? `holds ${value}, which is no integer of 64 bits`
    : undefined

const messageFault = (name: string, set: readonly string[]): string | undefined => {
  const plain = name.replace(/^\./, '')
  if (!messages.includes(plain)) return `makes a ${name}, which proxies do not have`
  const unknown = set.find((field) => !fields.includes(field))
  return unknown === undefined ? undefined : `sets ${unknown} of a ${plain}, which has no such field`
}

const callFault = (
  name: string,
  target: Expression | undefined,
  args: readonly Expression[],
  { methods, functions }: Callable,
): string | undefined => {
  // Operators are functions whose names hold what no identifier has.
  if (!/^[A-Za-z]/.test(name)) return undefined
  const known = target ? methods : functions
  const counts = Object.hasOwn(known, name) ? known[name] : undefined
  if (!counts) return `calls ${name}(), which proxies do not have`
  if (!counts.includes(args.length))
    return `calls ${name}() with ${args.length} arguments: it takes ${counts.join(' or ')}`
  return name === 'matches' ? patternFault(args.at(-1)) : undefined
}

const patternFault = (pattern: Expression | undefined): string | undefined => {
  if (pattern?.exprKind.case !== 'constExpr' || pattern.exprKind.value.constantKind.case !== 'stringValue')
    return undefined
  const text = pattern.exprKind.value.constantKind.value
  const fault = regularExpressionFault(text)
  if (fault !== undefined) return `calls matches() with what ${fault}`
  return estimateCost(text).programSize > maxProgramSize
    ? 'calls matches() with what is too costly to match: shorten it'
    : undefined
}
