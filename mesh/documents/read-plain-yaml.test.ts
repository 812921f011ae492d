import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { readPlainYaml } from './read-plain-yaml.ts'

const reference = (text: string): unknown[] => {
  const documents = parseAllDocuments(text, { version: '1.2', schema: 'core', logLevel: 'silent' })
  return 'empty' in documents
    ? []
    : documents.map((document) => {
        expect(document.errors).toEqual([])
        expect(document.warnings).toEqual([])
        return document.toJS() as unknown
      })
}

const manifest = `# A service and its workload.
apiVersion: v1
kind: Service
metadata:
  name: reviews
  labels: { app: reviews, tier: "1" }
spec:
  selector: {}
  clusterIP: None
  ports:
  - name: http
    port: 80
    targetPort: 8080
  # the second one
  - { name: grpc, port: 81 }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: out }
spec:
  hosts: [a.example.org, 'b.example.org']
  addresses:
    - 10.1.2.3
    - fd00::1
  resolution: STATIC
  exportTo:
    -
      a: 1.5.2
    - "x: y"
  nothing:
  more: true
`

it('reads what manifests consist of', () => {
  const values = readPlainYaml(manifest, 10)
  expect(values).toHaveLength(2)
  expect(values).toEqual(reference(manifest))
})

it.each([
  ['a key twice', 'a: 1\na: 2\n'],
  ['a key twice on one line', 'a: { b: 1, b: 2 }\n'],
  ['an anchor', 'a: &b c\n'],
  ['an alias', 'a: *b\n'],
  ['a tag', 'a: !!str 1\n'],
  ['nested flow collections', 'a: [[1]]\n'],
  ['a scalar of several lines', 'a: b\n  c\n'],
  ['a map below a scalar', 'a: b\n  c: d\n'],
  ['a block scalar', 'a: |\n  b\n'],
  ['a comment behind a value', 'a: b # c\n'],
  ['an escape', 'a: "\\u0041"\n'],
  ['a tab', 'a:\tb\n'],
  ['a carriage return', 'a: b\r\n'],
  ['a fraction', 'a: 1.5\n'],
  ['a number in octal', 'a: 0o17\n'],
  ['a leading zero', 'a: 007\n'],
  ['a number that loses digits', 'a: 12345678901234567890\n'],
  ['an indentation between two others', 'a:\n    b: 1\n  c: 2\n'],
  ['a name that reaches into prototypes', '__proto__: 1\n'],
  ['a key that is no name', 'true: 1\n'],
  ['an empty document', 'a: 1\n---\n'],
  ['a directive', '%YAML 1.1\n---\na: 1\n'],
  ['deep nesting', Array.from({ length: 60 }, (_, depth) => `${' '.repeat(depth)}a:\n`).join('')],
  ['too many documents', 'a: 1\n---\n'.repeat(11)],
])('leaves %s to the whole reader', (_, text) => {
  expect(readPlainYaml(text, 10)).toBeUndefined()
})

describe('any text', () => {
  const scalar = fc.constantFrom(
    ...[
      'a',
      'a b',
      'a  b',
      'a:b',
      'a, b',
      '1',
      '0',
      '01',
      '1.5',
      '.5',
      '1e3',
      '0x1f',
      '0o7',
      '1_000',
      '10.1.2.3',
      '-1',
    ],
    ...[
      'null',
      'Null',
      '~',
      'true',
      'yes',
      'No',
      'False',
      '.inf',
      '.nan',
      '...',
      '"a"',
      "'a'",
      '"a" b',
      "'it''s'",
      '""',
    ],
    ...['{}', '[]', '{ a: 1 }', '{a: b, c: "d"}', '[a, 1, true]', '[a,]', '[,]', '{a:b}', '{a}', '["a, b"]', '[a: b]'],
    ...[
      '2001-01-01',
      '12:30:45',
      'a #b',
      '#a',
      'a: b',
      '- a',
      '&a',
      '*a',
      '|',
      '>',
      '! a',
      '@a',
      '%a',
      '`a',
      '? a',
      '',
    ],
  )
  const key = fc.constantFrom('a', 'b', 'c', 'a.b/c-d', 'null', 'True', 'y', '1', '__proto__', '"a"', 'a b', '<<', '-')
  const line = fc
    .tuple(
      fc.constantFrom('', ' ', '  ', '    ', '      '),
      fc.constantFrom('', '', '', '- ', '-   ', '- - '),
      fc.option(key, { freq: 4 }),
      scalar,
      fc.constantFrom('', '', ' ', ' # c'),
    )
    .map(([indent, dash, name, value, end]) => `${indent}${dash}${name === null ? '' : `${name}: `}${value}${end}\n`)
  /** Most texts of nothing but hostile lines are left to the whole reader: these are for the others. */
  const plainLine = fc
    .tuple(
      fc.constantFrom('', '', '  ', '    '),
      fc.constantFrom('', '', '- '),
      fc.constantFrom('a: ', 'b: ', 'c: ', 'd: ', 'e: ', ''),
      fc.constantFrom('', '', 'a b', '1', 'true', '{ a: 1 }', '[a, 1]', "'a'", 'a:b'),
    )
    .map((parts) => `${parts.join('')}\n`)
  const any = fc.oneof(
    { weight: 20, arbitrary: plainLine },
    { weight: 2, arbitrary: line },
    fc.constantFrom('---\n', '--- \n', '...\n', '\n', '# c\n', '   # c\n', '-\n', 'a:\n', '  a:\n', '  -\n', 'a'),
  )
  it('means what the whole reader says, or is left to it', () => {
    let read = 0
    fc.assert(
      fc.property(fc.array(any, { maxLength: 7 }), (lines) => {
        const text = lines.join('')
        const values = readPlainYaml(text, 100)
        if (!values) return
        read += values.length
        expect(values).toEqual(reference(text))
      }),
      { numRuns: 20_000 },
    )
    expect(read).toBeGreaterThan(1000)
  }, 60_000)
})
