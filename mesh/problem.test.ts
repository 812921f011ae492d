import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { problemClasses, problemCode } from '#mesh/problem.ts'

it('docs/problems.md explains every code with its class, and no others', () => {
  const text = readFileSync(new URL('../docs/problems.md', import.meta.url), 'utf8')
  const explained = [...text.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, code, is]) => [code, is])
  expect(explained).toEqual(problemCode.options.map((code) => [code, problemClasses[code]]))
})
