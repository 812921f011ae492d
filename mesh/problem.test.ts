import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { problemCode } from '#mesh/problem.ts'

it('docs/problems.md explains every code, and no others', () => {
  const text = readFileSync(new URL('../docs/problems.md', import.meta.url), 'utf8')
  const explained = [...text.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code)
  expect(explained).toEqual(problemCode.options)
})
