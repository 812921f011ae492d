import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FileSet } from '#agent/registry/universal/file-set.ts'

const service = (name: string, port: number): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: shop}\nspec: {selector: {app: x}, ports: [{name: http, port: ${port}}]}\n`

const list = `kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: c}, spec: {selector: {app: x}, ports: [{port: 1}]}}\n`

const document = fc.oneof(
  fc
    .record({ name: fc.constantFrom('a', 'b', 'c'), port: fc.integer({ min: 80, max: 82 }) })
    .map(({ name, port }) => service(name, port)),
  fc.constantFrom('', '# nothing\n', list, 'kind: Nonsense\n', 'a: [\n', `${service('d', 80)}---\n${service('d', 80)}`),
)

const content = fc.array(document, { maxLength: 4 }).map((documents) => documents.join('---\n'))

test('a file that changes ends where one that is read for the first time begins', () => {
  fc.assert(
    fc.property(content, fc.array(content, { maxLength: 4 }), (last, earlier) => {
      const changed = new FileSet()
      const objects = new Map<string, unknown>()
      for (const text of [...earlier, last])
        for (const { key, value } of changed.update(new Map([['file', { kind: 'text', text }]])))
          objects.set(key, value)
      const fresh = new FileSet()
      fresh.update(new Map([['file', { kind: 'text', text: last }]]))
      expect(changed.problems()).toEqual(fresh.problems())
      // A file that can't be understood goes on meaning what it last meant.
      if (fresh.problems().some(({ problem }) => problem.severity === 'error')) return
      expect(sorted(changed.all())).toEqual(sorted(fresh.all()))
      expect(new Map([...objects].filter(([, value]) => value !== null))).toEqual(toMap(fresh.all()))
    }),
    { numRuns: 500 },
  )
})

test('problems tell their line in the whole file', () => {
  const files = new FileSet()
  const good = `${service('a', 80)}---\n${service('b', 80)}---\n`
  files.update(new Map([['file', { kind: 'text', text: good + service('c', 80) }]]))
  files.update(
    new Map([
      [
        'file',
        {
          kind: 'text',
          text: `${good}kind: Service\napiVersion: v1\nmetadata: {name: c}\nspec: {selector: {app: x}, port: 1}\n`,
        },
      ],
    ]),
  )
  expect(files.problems().map(({ problem }) => [problem.document, problem.line])).toEqual([[3, 14]])
})

test(
  'a file holds no more objects than one that is read as a whole, in however many documents',
  { timeout: 30_000 },
  () => {
    const item = (name: string): string =>
      `- {apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {ports: [{port: 1}]}}\n`
    const half = (prefix: string): string =>
      `kind: List\napiVersion: v1\nitems:\n${Array.from({ length: 5001 }, (_, index) => item(`${prefix}${index}`)).join('')}`
    const files = new FileSet()
    expect(files.update(new Map([['file', { kind: 'text', text: `${half('a')}---\n${half('b')}` }]]))).toEqual([])
    expect(files.problems()).toMatchObject([{ source: 'file', problem: { code: 'too_large' } }])
  },
)

type Changes = ReturnType<FileSet['all']>
const sorted = (changes: Changes): Changes => changes.toSorted((left, right) => (left.key < right.key ? -1 : 1))
const toMap = (changes: Changes): ReadonlyMap<string, unknown> => new Map(changes.map(({ key, value }) => [key, value]))

test('of a file that was never right what is for security counts: as it is where it is right, and else closed', () => {
  const policy = (name: string, spec: string) =>
    `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: ${name}}\nspec: ${spec}\n`
  const right = policy('right', '{rules: [{}]}')
  const wrong = policy('wrong', '{selector: {matchLabels: {app: a}}, action: FORBID}')
  const files = new FileSet()
  const update = (text: string) => files.update(new Map([['file', { kind: 'text', text }]]))
  const told = () => Object.fromEntries(files.all().map(({ key, value }) => [key, value?.spec]))
  update([service('a', 80), right, wrong, 'kind: Nonsense\n', 'a: [\n'].join('---\n'))
  const closed = { selector: { matchLabels: { app: 'a' } }, action: 'DENY', rules: [{}] }
  expect(told()).toMatchObject({
    'AuthorizationPolicy/default/right': { rules: [{}] },
    'AuthorizationPolicy/default/wrong': closed,
  })
  expect(Object.keys(told())).toHaveLength(2)
  expect(files.problems().length).toBeGreaterThan(0)
  // Still wrong, and for others.
  update(policy('wrong', '{selector: {matchLabels: {app: b}}, action: FORBID}'))
  expect(told()).toMatchObject({ 'AuthorizationPolicy/default/wrong': { selector: { matchLabels: { app: 'b' } } } })
  expect(Object.keys(told())).toHaveLength(1)
  update(right)
  expect(Object.keys(told())).toEqual(['AuthorizationPolicy/default/right'])
  // What was right once goes on meaning what it meant.
  update(wrong)
  expect(Object.keys(told())).toEqual(['AuthorizationPolicy/default/right'])
  files.update(new Map([['file', { kind: 'gone' }]]))
  expect(files.all()).toEqual([])
})

test.each([
  ['a label that is a number', 'metadata: {name: a, labels: {version: 1}}', 'AuthorizationPolicy/default/a'],
  [
    'no namespace and an annotation that is none',
    'metadata: {name: a, namespace: , annotations: {x: true}}',
    'AuthorizationPolicy/default/a',
  ],
  ['no name', 'metadata: {namespace: shop}', 'AuthorizationPolicy/shop/(without a name)'],
  ['no metadata', '', 'AuthorizationPolicy/default/(without a name)'],
])('what is for security is closed whatever is wrong: %s', (_case, metadata, key) => {
  const files = new FileSet()
  const text = `apiVersion: security.istio.io/v1beta9\nkind: AuthorizationPolicy\n${metadata}\nspec: {rules: [{}]}\n`
  files.update(new Map([['file', { kind: 'text', text }]]))
  expect(files.all()).toMatchObject([{ key, value: { spec: { action: 'DENY', rules: [{}] } } }])
})
