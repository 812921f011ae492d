import { parse } from '@bufbuild/cel'
import { toAttribute, unknownNameFault, type AttributeType } from './cel-attributes.ts'
import { childrenOf, type Expression } from './cel-depth.ts'
import { celFault } from './cel-expression.ts'

/** `other` is a value that is no boolean, whatever it is. */
type ValueType = AttributeType | 'bytes' | 'null' | 'list' | 'other'

const toTypes = (type: ValueType, names: string): readonly (readonly [string, ValueType])[] =>
  names.split(' ').map((name) => [name, type])

const comparisons: ReadonlySet<string> = new Set(['_==_', '_!=_', '_<_', '_<=_', '_>_', '_>=_'])
const ofBooleans: ReadonlySet<string> = new Set(['_&&_', '_||_', '!_'])
const ofTexts: ReadonlySet<string> = new Set(['contains', 'startsWith', 'endsWith', 'matches'])

/** What calls give, where that does not depend on what they are given. */
const results: ReadonlyMap<string, ValueType> = new Map([
  ...[...comparisons, ...ofBooleans, ...ofTexts, '@in', 'bool'].map((name) => [name, 'bool'] as const),
  ...toTypes('number', 'size int uint double indexOf lastIndexOf'),
  ...toTypes('text', 'string lowerAscii upperAscii trim reverse charAt format substring replace join'),
  ...toTypes('bytes', 'bytes'),
  ...toTypes('list', 'split'),
  ...toTypes('timestamp', 'timestamp'),
  ...toTypes('duration', 'duration'),
  ...toTypes('other', 'type _+_ _-_ _*_ _/_ _%_ -_'),
])

const words: Readonly<Record<ValueType, string>> = {
  bool: 'a boolean',
  number: 'a number',
  text: 'a text',
  timestamp: 'a timestamp',
  duration: 'a duration',
  headers: 'a map',
  map: 'a map',
  bytes: 'bytes',
  null: 'null',
  list: 'a list',
  other: 'no boolean',
}

/**
 * Why a proxy would refuse a filter, or take it and find it wrong each time, which counts as false: for `celFault`, for attributes that there are
 * not, or for types that certainly do not fit. What is not certain is not told.
 */
export const filterFault = (text: string): string | undefined => {
  const fault = celFault(text)
  if (fault !== undefined) return fault
  const { expr } = parse(text)
  return expr && (faultWithin(expr) ?? resultFault(expr))
}

const resultFault = (expression: Expression): string | undefined => {
  const type = typeOf(expression)
  return type === undefined || type === 'bool' ? undefined : `gives ${words[type]}, where a filter is true or false`
}

/** Of what is inside first, which may be why the rest is wrong. */
const faultWithin = (expression: Expression): string | undefined => {
  for (const child of childrenOf(expression)) {
    const fault = faultWithin(child)
    if (fault !== undefined) return fault
  }
  return unknownNameFault(expression) ?? ownFault(expression)
}

const ownFault = ({ exprKind: { case: kind, value } }: Expression): string | undefined => {
  if (kind === 'selectExpr') return value.operand && fieldFault(value.operand, value.field)
  if (kind !== 'callExpr') return undefined
  const { function: name, target, args } = value
  const [left, right] = args
  if (left && right && comparisons.has(name)) return comparisonFault(left, right)
  if (left && right && name === '@in') return membershipFault(left, right)
  if (left && name === '_?_:_') return wrongTypeFault([left], 'bool')
  if (ofBooleans.has(name)) return wrongTypeFault(args, 'bool')
  return ofTexts.has(name) ? wrongTypeFault(target ? [target, ...args] : args, 'text', `${name}() of `) : undefined
}

const fieldFault = (operand: Expression, field: string): string | undefined => {
  const of = toAttribute(operand)
  return !of || of.type === 'map' || of.type === 'headers'
    ? undefined
    : `asks for ${field} of ${of.name}, which is ${words[of.type]}`
}

const comparisonFault = (left: Expression, right: Expression): string | undefined => {
  if (areComparable(typeOf(left), typeOf(right))) return undefined
  const [first, second] = toAttribute(left) || !toAttribute(right) ? [left, right] : [right, left]
  const type = typeOf(first)
  const hint = type === 'duration' || type === 'timestamp' ? `: write ${type}('…')` : ''
  return `compares ${describe(first)} with ${describe(second)}${typeOf(second) === 'text' ? hint : ''}`
}

const membershipFault = (member: Expression, of: Expression): string | undefined => {
  const type = typeOf(of)
  if (type === 'text') return `looks for a part of ${describe(of)} with "in": write contains()`
  if (of.exprKind.case !== 'listExpr') return undefined
  const { elements } = of.exprKind.value
  const [first] = elements
  return first === undefined || elements.some((element) => areComparable(typeOf(member), typeOf(element)))
    ? undefined
    : `compares ${describe(member)} with ${describe(first)}`
}

const wrongTypeFault = (operands: readonly Expression[], right: ValueType, before = ''): string | undefined => {
  const wrong = operands.find((operand) => ![undefined, right].includes(typeOf(operand)))
  return wrong && `has ${before}${describe(wrong)}, where ${words[right]} has to be`
}

/** Numbers of all types are. So is null, which may stand for what is not there. */
const areComparable = (left: ValueType | undefined, right: ValueType | undefined): boolean =>
  [left, right].some((type) => type === undefined || type === 'other' || type === 'null') ||
  left === right ||
  [left, right].every((type) => type === 'map' || type === 'headers')

const describe = (expression: Expression): string => {
  const attribute = toAttribute(expression)
  const type = typeOf(expression)
  const word = type === undefined ? '' : words[type]
  return attribute ? `${attribute.name} (${word})` : word
}

/** Undefined when it is not certain. */
const typeOf = (expression: Expression): ValueType | undefined => {
  const attribute = toAttribute(expression)
  const { case: kind, value } = expression.exprKind
  if (kind === 'selectExpr' && value.testOnly) return 'bool'
  if (attribute) return attribute.type
  switch (kind) {
    case 'constExpr':
      return literals[value.constantKind.case ?? '']
    case 'listExpr':
      return 'list'
    case 'structExpr':
      return value.messageName === '' ? 'map' : value.messageName.endsWith('Duration') ? 'duration' : 'timestamp'
    case 'selectExpr':
      return value.operand && toAttribute(value.operand)?.type === 'headers' ? 'text' : undefined
    case 'callExpr':
      return resultOf(value.function, value.args)
    default:
      return undefined
  }
}

const literals: Readonly<Record<string, ValueType>> = {
  boolValue: 'bool',
  int64Value: 'number',
  uint64Value: 'number',
  doubleValue: 'number',
  stringValue: 'text',
  bytesValue: 'bytes',
  nullValue: 'null',
}

const resultOf = (name: string, args: readonly Expression[]): ValueType | undefined => {
  const [first, ...others] = args
  if (name === '_[_]') return first && toAttribute(first)?.type === 'headers' ? 'text' : undefined
  if (name !== '_?_:_') return name.startsWith('get') ? 'number' : results.get(name)
  const [left, right] = others.map((each) => typeOf(each))
  if (left === right) return left
  return [left, right].some((type) => type === undefined || type === 'bool') ? undefined : 'other'
}
