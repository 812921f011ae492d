import { expect, it } from 'vitest'
import { locateProblems } from './locate-problems.ts'
import type { Problem } from './problem.ts'

const options = { defaultNamespace: 'shop', maxCharacters: 10_000, maxObjects: 100 }
const problemOf = (name: string, path: string, namespace = 'shop'): Problem => ({
  code: 'dangling_reference',
  severity: 'warning',
  object: { kind: 'VirtualService', namespace, name },
  path,
  message: 'is not there',
})
const yaml = `kind: VirtualService
metadata: {name: a}
spec:
  http:
    - route:
        - destination:
            host: b
---
kind: VirtualService
metadata:
  name: a
  namespace: other
  annotations:
    atoll.dev/note: c
`

it('finds object and field in the documents of a text', () => {
  const problems = [
    problemOf('a', 'metadata.annotations["atoll.dev/note"]', 'other'),
    problemOf('a', 'spec.http[0].route[0].destination.host'),
    problemOf('a', 'spec.tcp'),
    problemOf('not-here', 'spec'),
    { ...problemOf('a', 'spec'), line: 99 },
  ]
  expect(locateProblems(problems, yaml, options).map(({ document, line }) => [document, line])).toEqual([
    [2, 14],
    [1, 7],
    [1, 3],
    [undefined, undefined],
    [undefined, 99],
  ])
})

it('finds objects in a list', () => {
  const json = `{"kind": "List", "items": [
    {"kind": "VirtualService", "metadata": {"name": "a"}},
    {"kind": "VirtualService", "metadata": {"name": "b"}, "spec": {
      "hosts": ["c"]}}
  ]}`
  expect(locateProblems([problemOf('b', 'spec.hosts[0]')], json, options)).toMatchObject([{ document: 1, line: 4 }])
})

it('leaves problems as they are that no object of the text has', () => {
  const problems = [problemOf('a', 'spec')]
  expect(locateProblems(problems, 'a: [', options)).toEqual(problems)
  expect(locateProblems(problems, '', options)).toEqual(problems)
})
