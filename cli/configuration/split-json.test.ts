import { expect, it } from 'vitest'
import { splitJson } from './split-json.ts'

it.each([
  ['{"a":1}', ['{"a":1}']],
  ['{"a":1}\n', ['{"a":1}\n']],
  ['{"a":1}\n{"b":2} [3]\n', ['{"a":1}', '\n{"b":2}', ' [3]\n']],
  ['{"a":"}{\\""}{"b":[{}]}', ['{"a":"}{\\""}', '{"b":[{}]}']],
  ['{"a":1}\n{b: }{', ['{"a":1}', '\n{b: }{']],
  ["{a: '}{'}", ["{a: '}{'}"]],
  ['{"a":1}\n---\n{"b":2}', ['{"a":1}', '\n---\n{"b":2}']],
  ['{"a":1}]', ['{"a":1}', ']']],
  ['a: {}\n', ['a: {}\n']],
])('cuts %j where a JSON value follows another', (text, expected) => {
  expect(splitJson(text)).toEqual(expected)
  expect(splitJson(text).join('')).toBe(text)
})
