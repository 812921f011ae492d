import { expect, test } from 'vitest'
import { parseServerEvents } from './server-events.ts'

const parse = async (...chunks: readonly string[]) => {
  async function* stream() {
    yield* chunks
  }
  const events = []
  for await (const { event, data } of parseServerEvents(stream())) events.push(`${event} ${data}`)
  return events
}

test.each([
  ['one', ['event: record\ndata: {}\n\n'], ['record {}']],
  ['cut anywhere', ['event: re', 'cord\nda', 'ta: 1\n', '\nevent: end\ndata:2\n\n'], ['record 1', 'end 2']],
  ['with lines of its own', ['data: a\ndata: b\n\n'], ['message a\nb']],
  ['with other ends of lines', ['event: a\r\ndata: 1\r\n\r\n'], ['a 1']],
  ['no comment', [': here\n\ndata: 1\n\n'], ['message 1']],
  ['none that has not ended', ['data: 1\n'], []],
  ['none without data', ['event: a\n\n'], []],
])('events are read: %s', async (_, chunks, expected) => {
  expect(await parse(...chunks)).toEqual(expected)
})
