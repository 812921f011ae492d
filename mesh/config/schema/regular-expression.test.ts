import { describe, expect, it } from 'vitest'
import { estimateCost } from './expression-cost.ts'
import { regularExpressionFault } from './regular-expression.ts'

/** Program sizes that Envoy 1.40 reports (`envoy --mode validate` with `re2.max_program_size.error_level: 1`). */
const measured: readonly (readonly [string, number])[] = [
  ['a', 5],
  ['é', 6],
  ['.*foo.*', 11],
  ['(a|b){5}', 19],
  ['(?:ab){2,5}', 17],
  ['(?i)straße', 11],
  [String.raw`\W`, 9],
  [String.raw`\PS`, 20],
  [String.raw`[^\pS]`, 20],
  ['(a?){1000}', 4004],
  ['(?:.*){100}', 303],
  ['(?:(?:a{0,10}){0,10}){0,10}', 2103],
  ['^/v4/advisory/[0-9a-z-]{36}/clone$', 118],
  ['/static/[a-zA-Z0-9._-]{0,200}/[a-zA-Z0-9._-]{0,200}', 2013],
]

describe('what a regular expression costs', () => {
  it.each(measured)('%s is estimated at no less than its program, and not at much more', (text, size) => {
    const { programSize } = estimateCost(text)
    expect(programSize).toBeGreaterThanOrEqual(size)
    expect(programSize).toBeLessThanOrEqual(6 * size)
    expect(regularExpressionFault(text)).toBeUndefined()
  })

  it.each([
    ['(((a{100}){100}){100})', 'repeats something more than 1000 times'],
    ['(a{2}|b{501}){2}', 'repeats something more than 1000 times'],
    ['a{1001}', 'repeats something more than 1000 times'],
    ['[^/]{1000}'.repeat(100), 'is too costly to match: shorten it, or repeat less'],
    [String.raw`(\pL\pN){1000}`, 'is too costly to match: shorten it, or repeat less'],
    ['x'.repeat(1025), 'is longer than 1024 characters'],
    ['', 'must not be empty'],
  ])('%s is refused', (text, fault) => expect(regularExpressionFault(text)).toBe(fault))

  it.each([
    ['counts', String.raw`^(\d{1,3}\.){3}x{2,}y{0}$`, String.raw`^(\d{1,1}\.){1}x{1,}y{0}$`],
    ['the case of letters', '(?i)[a-\\x{10ffff}](?i-s:a)', '(?s)[a-\\x{10ffff}](?s-s:a)'],
    ['classes that are there already', String.raw`\pL|[\pL\p{Lu}]|\p{Lu}`, String.raw`\pL|[\d\p{Lu}]|\d`],
  ])('is compiled without %s', (_, text, sketch) => expect(estimateCost(text).sketch).toBe(sketch))

  it.each([
    ['in a class', '[a{9}]', '[a{9}]'],
    ['of a rune', String.raw`\x{41}`, String.raw`\x{41}`],
    ['in a quotation', String.raw`\Qa{9}\E{2}`, String.raw`\Qa{9}\E{1}`],
    ['after a backslash', String.raw`\\x{9}`, String.raw`\\x{1}`],
    ['of a bracket', String.raw`\[a{9}`, String.raw`\[a{1}`],
    ['after a class of Unicode', String.raw`\pN{9}`, String.raw`\pN{1}`],
    ['that ends before it begins', 'a{3,2}', 'a{3,2}'],
  ])('tells a count from braces %s', (_, text, sketch) => expect(estimateCost(text).sketch).toBe(sketch))

  it.each(['a{3,2}', 'a(b', 'a)', '[a', 'a**', 'a{2}{3}', String.raw`\1`, '(?=a)', '[[:', String.raw`\p{Foo}`])(
    '%s is no expression',
    (text) => expect(regularExpressionFault(text)).toMatch(/^is not an RE2 regular expression: /),
  )
})
