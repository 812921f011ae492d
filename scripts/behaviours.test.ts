import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const docs = new URL('../docs/', import.meta.url)
const rows = [
  ...readFileSync(new URL('behaviours.md', docs), 'utf8').matchAll(/^\| (.+?) \| \[.+?\]\((.+?)\) \| `(.+?)` \|$/gm),
].map(([, behaviour = '', file = '', words = '']) => [behaviour, file, words] as const)

it('docs/behaviours.md has rows', () => {
  expect(rows.length).toBeGreaterThan(30)
})
it.each(rows)('a test shows: %s', (_, file, words) => {
  expect(readFileSync(new URL(file, docs), 'utf8')).toContain(words)
})
