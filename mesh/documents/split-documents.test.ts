import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readYaml } from './read-yaml.ts'
import { splitDocuments } from './split-documents.ts'

const valuesOf = (text: string): readonly unknown[] | undefined => {
  const read = readYaml(text, 1000)
  return read.ok ? read.value.map(({ value }) => value) : undefined
}

describe('splitDocuments', () => {
  it('cuts where a document starts', () => {
    expect(splitDocuments('a: 1\n---\nb: 2\n--- # note\nc: 3\n')).toEqual([
      'a: 1\n',
      '---\nb: 2\n',
      '--- # note\nc: 3\n',
    ])
  })

  it('cuts nowhere else', () => {
    for (const text of ['a: |\n  ---\n  b\n', 'a: 1 ---\n', '---a: 1\n', '----\n', '', '---\na: 1\n'])
      expect(splitDocuments(text)).toEqual([text])
  })

  it('leaves texts whole whose documents can not be read by themselves', () => {
    for (const text of ['%YAML 1.2\n---\na: 1\n---\nb: 2\n', 'a: 1\n...\n---\nb: 2\n', '{"a": "\n---\n"}'])
      expect(splitDocuments(text)).toEqual([text])
  })

  it('gives texts that mean together what the whole means', () => {
    const line = fc.constantFrom(
      '---',
      '--- ',
      '--- x',
      'a: 1',
      'b: |',
      '  text',
      '',
      '# c',
      '- 1',
      '"q',
      'q"',
      '...',
      '&a x',
      '*a',
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const text = lines.join('\n')
        const pieces = splitDocuments(text)
        expect(pieces.join('')).toBe(text)
        const read = pieces.map(valuesOf)
        const together = read.some((values) => values === undefined) ? undefined : read.flat()
        expect(together).toEqual(valuesOf(text))
      }),
      { numRuns: 2000 },
    )
  })
})
