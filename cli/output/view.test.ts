import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { formatView } from './view.ts'

const hostile = '\u001b]0;title\u0007\u009b2J\u007f\u202etxt\u2028\nrm -rf'
const view = { value: { hostile, plain: 'plain' }, table: () => hostile, names: [hostile] }
const paint = (_: unknown, text: string) => text
/** All that a terminal acts on, but for the ends of our own lines. */
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const active = /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u2028-\u202E\u2066-\u2069]/

test.each(['json', 'yaml', 'name', 'table'] as const)(
  'as %s nothing from elsewhere acts on a terminal',
  async (format) => {
    expect(await formatView(view, format, paint)).not.toMatch(active)
  },
)

test('to programs it is the value', async () => {
  expect(JSON.parse(await formatView(view, 'json', paint))).toEqual(view.value)
  expect(parse(await formatView(view, 'yaml', paint))).toEqual(view.value)
  expect(await formatView(view, 'yaml', paint)).toContain('plain: plain\n')
})

test('a name is one line', async () => {
  expect((await formatView(view, 'name', paint)).split('\n')).toHaveLength(2)
})
