import { expect, test } from 'vitest'
import { isPublicUrl } from './public-host.ts'

test.each([
  ['https://accounts.example.com/tenant', true],
  ['https://accounts.example.com:8443', true],
  ['http://accounts.example.com', false],
  ['https://user:secret@accounts.example.com', false],
  ['https://127.0.0.1', false],
  ['https://2130706433', false],
  ['https://0x7f.1', false],
  ['https://169.254.169.254', false],
  ['https://8.8.8.8', false],
  ['https://[::1]', false],
  ['https://[::ffff:10.0.0.1]', false],
  ['https://localhost', false],
  ['https://a.localhost.', false],
  ['https://metadata.google.internal', false],
  ['https://printer.local', false],
  ['https://intranet', false],
  ['ftp://accounts.example.com', false],
])('%s may be asked: %s', (url, expected) => {
  expect(isPublicUrl(new URL(url), false)).toBe(expected)
})

test('this machine may be asked where a setting says so, and nothing else that is private', () => {
  expect(isPublicUrl(new URL('http://127.0.0.1:4000'), true)).toBe(true)
  expect(isPublicUrl(new URL('http://localhost:4000'), true)).toBe(true)
  expect(isPublicUrl(new URL('http://10.0.0.1'), true)).toBe(false)
  expect(isPublicUrl(new URL('https://10.0.0.1'), true)).toBe(false)
})
