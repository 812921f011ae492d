import { expect, test } from 'vitest'
import { parseApiKeys, parseUsers } from './parse-clients.ts'

const sha = '{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g='

test('each entry is a client, and each of its lines a key', () => {
  expect(parseApiKeys({ ann: 'k-1\r\nk-2\n', bob: 'k-3' })).toEqual({
    known: [
      { client: 'ann', proof: 'k-1' },
      { client: 'ann', proof: 'k-2' },
      { client: 'bob', proof: 'k-3' },
    ],
    faults: [],
  })
})

test.each<[string, Record<string, string>, string[], string[]]>([
  ['no key', { ann: '\n', bob: 'b' }, ['bob'], ['client ann has no key']],
  [
    'a key that can not be sent',
    { ann: 'hidden words', bob: 'b' },
    ['bob'],
    ['client ann has a key with characters that can not be sent, such as blanks, commas and quotes'],
  ],
  [
    'a key of two clients',
    { ann: 'hidden', bob: 'b', eve: 'hidden' },
    ['bob'],
    ["clients ann, eve have the same key, which is nobody's"],
  ],
  ['a key that is there twice', { ann: 'a\na' }, ['ann'], []],
])('%s lets nobody in, and the others go on', (_, values, clients, faults) => {
  const { known, faults: found } = parseApiKeys(values)
  expect(known.map(({ client }) => client)).toEqual(clients)
  expect(found).toEqual(faults)
})

test.each<[string, string, string[], string[]]>([
  ['users', `# ours\nann:${sha}\n\nbob:${sha}\n`, ['ann', 'bob'], []],
  [
    'bcrypt',
    `ann:$2y$05$abcdefghijklmnopqrstuv\nbob:${sha}`,
    ['bob'],
    [
      'user ann has a password that is not hashed with SHA-1, and proxies know no other hash: write it with htpasswd -s',
    ],
  ],
  [
    'no user',
    `hidden\n:${sha}\nbob:${sha}`,
    ['bob'],
    [1, 2].map((line) => `line ${line} of auth is not <user>:<hash>`),
  ],
  ['a user twice', `ann:${sha}\nann:${sha}`, [], ['user ann is there 2 times, and has no password']],
])('of htpasswd: %s', (_, auth, clients, faults) => {
  const { known, faults: found } = parseUsers({ auth })
  expect(known.map(({ client }) => client)).toEqual(clients)
  expect(found).toEqual(faults)
})
