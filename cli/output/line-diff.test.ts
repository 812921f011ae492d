import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { diffLines, toHunks } from './line-diff.ts'

const text = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 12 }).map((lines) => lines.join('\n'))
const side = (lines: ReturnType<typeof diffLines>, sign: '-' | '+') =>
  lines
    .filter((line) => line.sign === ' ' || line.sign === sign)
    .map((line) => line.text)
    .join('\n')

describe('diffLines', () => {
  it('holds both texts', () => {
    fc.assert(
      fc.property(text, text, (before, after) => {
        const lines = diffLines(before, after)
        expect(side(lines, '-')).toBe(before)
        expect(side(lines, '+')).toBe(after)
      }),
    )
  })

  it('marks as little as can be', () => {
    const marked = diffLines('a\nb\nc\nd\n', 'a\nx\nc\ny\nd\n').map(({ sign, text: line }) => sign + line)
    expect(marked).toEqual([' a', '-b', '+x', ' c', '+y', ' d'])
  })

  it('does not compare every line with every other one of two huge texts', () => {
    const lines = (prefix: string) => Array.from({ length: 3000 }, (_, index) => `${prefix}${index}`).join('\n')
    expect(diffLines(lines('a'), lines('b'))).toHaveLength(6000)
  })
})

describe('toHunks', () => {
  it('leaves out what is far from a change, with a gap between hunks', () => {
    const lines = (change: string) =>
      Array.from({ length: 20 }, (_, index) => (index === 3 || index === 16 ? change : `line ${index}`)).join('\n')
    const hunks = toHunks(diffLines(lines('old'), lines('new')), 1).map((line) => line && line.sign + line.text)
    expect(hunks).toEqual([' line 2', '-old', '+new', ' line 4', undefined, ' line 15', '-old', '+new', ' line 17'])
  })
})
