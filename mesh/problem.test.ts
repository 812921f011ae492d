import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { problemClasses, problemCode } from '#mesh/problem.ts'

const docs = new URL('../docs/', import.meta.url)

it('docs/problems.md explains every code with its class, and no others', () => {
  const text = readFileSync(new URL('problems.md', docs), 'utf8')
  const explained = [...text.matchAll(/^\| \[`(\w+)`\]\(problems\/\1\.md\) \| (\w+) \|/gm)].map(([, code, is]) => [
    code,
    is,
  ])
  expect(explained).toEqual(problemCode.options.map((code) => [code, problemClasses[code]]))
})
it.each(problemCode.options)('docs/problems/%s.md names its class', (code) => {
  const text = readFileSync(new URL(`problems/${code}.md`, docs), 'utf8')
  expect(text).toMatch(new RegExp(`^# \`${code}\`\\n\\nClass \`${problemClasses[code]}\`\\. `))
})
