import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { examineDocuments, parseDocuments } from '#mesh/parse-documents.ts'

const options = { defaultNamespace: 'default', maxCharacters: 1_000_000, maxObjects: 50 }
const parse = (text: string) => parseDocuments(text, options)

const destinationRule = (name: string, rest = '') => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: ${name}
spec:
  host: reviews
${rest}`

const problemsOf = (text: string) => {
  const result = parse(text)
  return result.ok ? [] : result.error
}
const names = (text: string) => {
  const result = parse(text)
  return result.ok ? result.value.objects.map(({ object }) => object.metadata.name) : result.error
}
const asObject = (name: string) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'DestinationRule',
  metadata: { name },
  spec: { host: 'a' },
})

describe('the forms of a text', () => {
  it('takes many YAML documents and leaves empty ones out', () => {
    expect(names(`# nothing\n---\n${destinationRule('a')}---\n---\n${destinationRule('b')}`)).toEqual(['a', 'b'])
  })
  it('takes a JSON object, a JSON array and a List', () => {
    expect(names(JSON.stringify(asObject('a')))).toEqual(['a'])
    expect(names(JSON.stringify([asObject('a'), asObject('b')]))).toEqual(['a', 'b'])
    expect(names(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [asObject('a'), asObject('b')] }))).toEqual([
      'a',
      'b',
    ])
  })
  it('takes a list of one kind, whose objects may leave out what it says', () => {
    const { metadata, spec } = asObject('b')
    const list = { apiVersion: 'networking.istio.io/v1', kind: 'DestinationRuleList', metadata: {} }
    expect(names(JSON.stringify({ ...list, items: [asObject('a'), { metadata, spec }] }))).toEqual(['a', 'b'])
  })
  it('takes JSON among YAML', () => {
    const list = { kind: 'List', items: [asObject('c'), asObject('d')] }
    const text = [
      `# nothing\n---\n${destinationRule('a')}`,
      `${JSON.stringify(asObject('b'))}\n`,
      `${JSON.stringify(list, null, 1)}\n`,
      destinationRule('e'),
      '{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: f}, spec: {host: a}}\n',
    ].join('---\n')
    expect(names(text)).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
    const wrong = text.replaceAll('"host"', '"hots"').replaceAll('host:', 'hots:')
    const lines = wrong.split('\n').flatMap((line, index) => (line.includes('hots') ? [index + 1] : []))
    const found = problemsOf(wrong).filter(({ path }) => path === 'spec.hots')
    expect(found.map(({ line }) => line)).toEqual(lines)
    expect(found.map(({ document }) => document)).toEqual([1, 2, 3, 3, 4, 5])
    const twice = `${text}---\n{\n"a": 1,\n"a": 2}\n---\na: [`
    const last = twice.split('\n').length
    expect(problemsOf(twice)).toMatchObject([
      { message: 'the key "a" is there twice', document: 6, line: last - 2 },
      { code: 'syntax', document: 7, line: last },
    ])
  })
  it('takes a text without objects', () => {
    expect(names('')).toEqual([])
    expect(names('---\n# only a comment\n')).toEqual([])
  })
  it('merges what anchors stand for, as kubectl does', () => {
    const text = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: [a]
  http:
  - &first {name: one, timeout: 1s, route: [{destination: {host: a}}]}
  - {<<: *first, name: two, timeout: soon}
  - <<: [{timeout: 2s}, *first]
    name: three`
    expect(examineDocuments(text, options).problems).toMatchObject([{ path: 'spec.http[1].timeout', line: 9 }])
    const { objects } = examineDocuments(text.replace('soon', '3s'), options)
    const route = [{ destination: { host: 'a' } }]
    expect(objects.map(({ object }) => object.spec['http'])).toEqual([
      [
        { name: 'one', timeout: '1s', route },
        { name: 'two', timeout: '3s', route },
        { name: 'three', timeout: '2s', route },
      ],
    ])
  })
  it('resolves a few anchors', () => {
    expect(
      names(
        destinationRule('a', '  subsets:\n  - name: v1\n    labels: &l {version: v1}\n  - name: v2\n    labels: *l\n'),
      ),
    ).toEqual(['a'])
  })
  it('resolves as many again in the next document', () => {
    const labels = Array.from({ length: 30 }, (_, index) => `  - {name: v${index}, labels: *l}\n`).join('')
    const texts = ['a', 'b', 'c', 'd'].map((name) =>
      destinationRule(name, `  subsets:\n  - name: v\n    labels: &l {version: v}\n${labels}`),
    )
    expect(names(texts.join('---\n'))).toEqual(['a', 'b', 'c', 'd'])
  })
  it('names what has no name only where that is allowed', () => {
    const text = 'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nspec: {host: a}\n'
    expect(problemsOf(text)).toMatchObject([{ code: 'invalid', path: 'metadata.name', message: 'is required' }])
    const result = parseDocuments(text, { ...options, unnamed: 'allowed' })
    expect(result.ok && result.value.objects[0]?.object.metadata).toEqual({ name: 'unnamed-1', namespace: 'default' })
  })
})

describe('where a problem is', () => {
  it('says document and line in YAML', () => {
    const text = `${destinationRule('a')}---\n${destinationRule('b', '  subsets:\n  - name: v1\n  - nam: v2\n')}`
    expect(problemsOf(text)).toEqual([
      expect.objectContaining({ path: 'spec.subsets[1].name', message: 'is required', document: 2, line: 16 }),
      expect.objectContaining({ path: 'spec.subsets[1].nam', code: 'unknown_field', document: 2, line: 16 }),
    ])
  })
  it('says the line in JSON', () => {
    const text = JSON.stringify([asObject('a'), { ...asObject('b'), spec: { host: 'a', hosts: [] } }], null, 1)
    const line = text.split('\n').findIndex((each) => each.includes('"hosts"')) + 1
    expect(problemsOf(text)).toMatchObject([
      { path: 'spec.hosts', document: 1, line, object: { kind: 'DestinationRule', name: 'b' } },
    ])
  })
  it('says the line of the nearest thing around what is missing', () => {
    const text =
      '{\n"apiVersion": "networking.istio.io/v1",\n"kind": "DestinationRule",\n"metadata": {"name": "a"},\n"spec": {}}'
    expect(problemsOf(text)).toMatchObject([{ path: 'spec.host', line: 5 }])
  })
  it('reports the problems of all objects at once', () => {
    const text = `${destinationRule('a', '  foo: 1\n')}---\n${destinationRule('b', '  bar: 1\n')}---\n${destinationRule('c')}`
    expect(problemsOf(text).map(({ path, object }) => `${object?.name} ${path}`)).toEqual(['a spec.foo', 'b spec.bar'])
  })
  it('stops at 100 problems and says how many there are more', () => {
    const many = Array.from({ length: 10 }, (_, object) =>
      destinationRule(`r${object}`, Array.from({ length: 30 }, (_, field) => `  x${field}: 1\n`).join('')),
    )
    const problems = problemsOf(many.join('---\n'))
    expect(problems).toHaveLength(100)
    expect(problems.at(-1)?.message).toBe('201 more problems are not shown')
  })
})

describe('what is refused', () => {
  const cases: readonly (readonly [string, string, string, string])[] = [
    ['no YAML', 'a: [', 'syntax', ''],
    [
      'a key that is there twice in YAML',
      destinationRule('a', '  host: b\n'),
      'syntax',
      'the key "host" is there twice',
    ],
    [
      'a key that is there twice in JSON',
      '{"kind": "A", "spec": {"x": 1, "x": 2}}',
      'syntax',
      'the key "x" is there twice',
    ],
    [
      'a key that is there twice under another spelling in JSON',
      String.raw`{"kind": "A", "\u006bind": "B"}`,
      'syntax',
      'the key "kind" is there twice',
    ],
    ['a key that is a collection', '? [a, b]\n: 1', 'syntax', 'a key must be a plain string'],
    ['an alias without its anchor', 'a: *b', 'syntax', 'Unresolved alias'],
    ['a merge of what is no map', 'a: {<<: 1}', 'syntax', 'Merge sources must be maps'],
    ['a tag', 'a: !!js/function x', 'syntax', 'Unresolved tag'],
    ['a text instead of an object', 'just words', 'syntax', 'must be an object'],
    ['an unknown kind', 'apiVersion: v1\nkind: Servise\nmetadata: {name: a}', 'unknown_kind', 'did you mean Service?'],
    [
      'a kind in another version',
      'apiVersion: networking.istio.io/v2\nkind: Sidecar\nmetadata: {name: a}',
      'unknown_kind',
      'networking.istio.io/v1beta1',
    ],
    [
      'the same object twice',
      `${destinationRule('a')}---\n${destinationRule('a')}`,
      'duplicate',
      'is in document 1 already',
    ],
    ['__proto__', destinationRule('a', '  __proto__: {x: 1}\n'), 'invalid', '__proto__'],
    ['__proto__ in JSON', '{"kind": "A", "__proto__": {}}', 'invalid', '__proto__'],
    ['a NUL', destinationRule('a', '  exportTo: ["a\\0"]\n'), 'invalid', 'NUL'],
    ['half a surrogate pair', destinationRule('a', String.raw`  exportTo: ["\ud800"]`), 'invalid', 'lone surrogate'],
    [
      'too many objects',
      Array.from({ length: 51 }, (_, index) => destinationRule(`r${index}`)).join('---\n'),
      'too_large',
      '50',
    ],
    [
      'too many objects in one document',
      JSON.stringify(Array.from({ length: 51 }, (_, index) => asObject(`r${index}`))),
      'too_large',
      '51 objects',
    ],
    ['too large a text', ' '.repeat(1_000_001), 'too_large', '1000000 characters'],
    [
      'deep nesting in flow style',
      `${'['.repeat(5000)}${']'.repeat(5000)}\n`.replace('[', 'a: ['),
      'too_large',
      'nested',
    ],
    [
      'deep nesting in block style',
      Array.from({ length: 3000 }, (_, depth) => `${' '.repeat(depth)}a:`)
        .join('\n')
        .slice(0, 900_000),
      'too_large',
      'nested',
    ],
    ['deep nesting in JSON', `{"a": ${'['.repeat(20_000)}${']'.repeat(20_000)}}`, 'too_large', 'nested'],
    [
      'a thousand anchors',
      Array.from({ length: 1000 }, (_, index) => `k${index}: &a${index} 1`).join('\n'),
      'too_large',
      'anchors',
    ],
    ['an anchor that holds itself', 'a: &a [*a]', 'too_large', 'nested'],
    [
      'an alias bomb',
      [
        'a: &a [x,x,x,x,x,x,x,x,x]',
        ...'bcdefghi'
          .split('')
          .map(
            (name, index) =>
              `${name}: &${name} [${Array.from({ length: 9 }, () => `*${'abcdefgh'[index]}`).join(',')}]`,
          ),
      ].join('\n'),
      'too_large',
      'alias',
    ],
    [
      'a bomb of merges',
      [
        'a: &a {x: 1}',
        ...'bcdefghi'
          .split('')
          .map(
            (name, index) =>
              `${name}: &${name} {<<: [${Array.from({ length: 9 }, () => `*${'abcdefgh'[index]}`).join(',')}]}`,
          ),
      ].join('\n'),
      'too_large',
      'alias',
    ],
  ]
  it.each(cases)('%s', (_, text, code, message) => {
    const problems = problemsOf(text)
    expect(problems[0]?.code).toBe(code)
    expect(problems[0]?.message).toContain(message)
    expect(problems[0]?.severity).toBe('error')
  })
  it('applies nothing of a text with one bad object', () => {
    expect(parse(`${destinationRule('a')}---\n${destinationRule('b', '  foo: 1\n')}`).ok).toBe(false)
  })
})

describe('any text', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '---\n',
      'a: ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      '&a ',
      '*a',
      '"',
      "'",
      '\n',
      '  ',
      '? ',
      ': ',
      '|',
      '>',
      '!!str ',
      '#',
      '%YAML 1.1\n',
      '\t',
      'kind: Sidecar\n',
    ),
    fc.constantFrom(destinationRule('a'), destinationRule('b')),
    fc.string({ unit: 'binary', maxLength: 8 }),
  )
  it('is parsed or refused, never thrown at', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const result = parse(pieces.join(''))
        expect(result.ok || result.error.some((problem) => problem.severity === 'error')).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
  it('finds in JSON what it finds in YAML', () => {
    const value = fc.object({
      key: fc.constantFrom('kind', 'apiVersion', 'metadata', 'spec', 'host', 'name', 'x y'),
      maxDepth: 3,
      values: [fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.constant('Sidecar')],
    })
    const withoutLines = (text: string) => problemsOf(text).map((problem) => ({ ...problem, line: 0 }))
    fc.assert(
      fc.property(fc.array(value, { maxLength: 3 }), (values) => {
        const json = JSON.stringify(values)
        // The leading comment makes it YAML.
        expect(withoutLines(`# yaml\n${json}`)).toEqual(withoutLines(json))
        const pretty = JSON.stringify(values, null, 1)
        const linesOf = (text: string) => problemsOf(text).map((problem) => problem.line)
        expect(linesOf(`# yaml\n${pretty}`)).toEqual(linesOf(`\n${pretty}`))
      }),
      { numRuns: 500 },
    )
  })
})

it('says where the same object is before as a person calls the place', () => {
  const text = `${destinationRule('a')}---\n${destinationRule('b')}---\n${destinationRule('b')}`
  const { problems } = examineDocuments(text, { ...options, toPlace: (line) => `rules.yaml:${line}` })
  expect(problems.map(({ line, message }) => [line, message])).toEqual([[15, 'is in rules.yaml:8 already']])
})

it.each([
  ['hosts', { hosts: Array.from({ length: 100_000 }, (_, index) => `h${index}.org`) }],
  ['digits', { http: [{ timeout: `${'9'.repeat(1_000_000)}s` }] }],
  ['fields that are none', Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`hostz${index}`, 1]))],
])('is done with endless %s before its time is up', (_, spec) => {
  const text = JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'a' },
    spec,
  })
  expect(parse(text).ok).toBe(false)
})
