import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { findTestTitles } from './find-test-titles.ts'

const docs = new URL('../docs/', import.meta.url)
const [head, rule, ...rows] = readFileSync(new URL('behaviours.md', docs), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('|'))
const sections = rows.filter((row) => /^\| \*\*[^|]+\*\* \| \| \|$/.test(row))
const behaviours = rows.filter((row) => !sections.includes(row))

describe('docs/behaviours.md', () => {
  it('is one table', () => {
    expect([head, rule]).toEqual(['| behaviour | file | test |', '|---|---|---|'])
    expect(sections.length).toBeGreaterThan(5)
  })

  /** The words are a whole title, or of one title alone. */
  it.each(behaviours)('names a test that is run: %s', (row) => {
    const [, file = '', words = ''] = /^\| [^|]+ \| \[[^\]|]+\]\(([^)|]+)\) \| `([^`|]+)` \|$/.exec(row) ?? []
    expect(words, 'the form of the row').not.toBe('')
    const titles = [...findTestTitles(file, readFileSync(new URL(file, docs), 'utf8'))]
    expect(titles.includes(words) ? [words] : titles.filter((title) => title.includes(words))).toHaveLength(1)
  })
})

describe('titles of tests', () => {
  it.each([
    ['a test', "test('a', () => {})", ['a']],
    ['rows', "it.each([1])('%i a', () => {})", ['%i a']],
    ['rows with names', "it.each<[string]>([['a'], ['b', 'c']] as const)('%s', () => {})", ['%s', 'a', 'b']],
    ['rows of a template', "test.each`a`('b', () => {})", ['b']],
    ['a template', 'test(`a ${b}`, () => {})', ['a ${}']],
    ['what is around it', "describe('b', () => { describe('c', () => { it('a', () => {}) }) })", ['b', 'c', 'a']],
    ['what runs on a condition', "describe.skipIf(a)('b', () => { test('a', () => {}) })", ['b', 'a']],
    ['what is skipped', "test.skip('a', () => {}); it.todo('b'); it('c')", []],
    ['what is in something skipped', "describe.skip('b', () => { test('a', () => {}) })", []],
    ['what has no tests', "describe('b', () => {})", []],
    ['comments and texts', "// test('a', () => {})\nconst a = `test('b', () => {})`", []],
  ])('%s', (_, text, titles) => {
    expect([...findTestTitles('a.test.ts', text)]).toEqual(titles)
  })
})
