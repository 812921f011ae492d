import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { readTelemetryForwards } from './telemetry-forward-option.ts'

const folder = mkdtempSync(join(tmpdir(), 'atoll-forwards-'))
afterAll(() => rmSync(folder, { recursive: true }))

const read = (text: string) => {
  const file = join(folder, 'forwards.yaml')
  writeFileSync(file, text)
  return readTelemetryForwards(file)
}

it('reads a list of backends, or an empty file', () => {
  expect(read('')).toEqual([])
  expect(read('- {endpoint: https://a.example, headersSecret: {name: a, key: b}}')).toEqual([
    { endpoint: 'https://a.example', headersSecret: { name: 'a', key: 'b' } },
  ])
})

it.each([
  ['[', 'is not YAML'],
  ['endpoint: https://a.example', 'is no list of backends'],
  ['- {endpoint: a.example}', '[0].endpoint'],
  ['- {endpoint: "https://a.example", headersFile: b}', 'headersFile'],
  ['- {endpoint: "http://a.example", headersSecret: {name: a, key: b}}', '[0].endpoint must be https://'],
  [
    '- {endpoint: "https://a.example", caConfigMap: {name: a, key: b}, caSecret: {name: a, key: b}}',
    '[0].caSecret is one too many',
  ],
])('refuses %s', (text, message) => {
  expect(() => read(text)).toThrow(message)
})
