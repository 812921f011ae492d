import { expect, test } from 'vitest'
import { parseMessageRecord, toMessageFormat } from './message-record.ts'

const both = ['request_messages_total', 'response_messages_total'] as const
const tags = [
  ['reporter', 'source'],
  ['custom.a%', 'x'],
] as const

test.each([
  ['both counts', toMessageFormat(both, '3,12', tags), [[both[0], 3], [both[1], 12]]], // prettier-ignore
  ['the one that is wanted', toMessageFormat([both[1]], '3,12', tags), [[both[1], 12]]],
  ['no count where there was no message', toMessageFormat(both, '2,0', tags), [[both[0], 2]]],
  ['nothing of a call without any', toMessageFormat(both, '-', tags), []],
])('a record of messages tells %s', (_, text, counts) =>
  expect(parseMessageRecord(text.replaceAll('%%', '%'))).toEqual({ counts, tags: new Map(tags) }),
)

test.each([
  ['a value with the separator', toMessageFormat(both, '3,3', [['reporter', 'a\u001Fb']])],
  ['an access record', '1\u001Fsource'],
])('%s is none', (_, text) => expect(parseMessageRecord(text)).toBeUndefined())
