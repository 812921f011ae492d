import { expect, test } from 'vitest'
import { closestName } from './closest-name.ts'

const locations = ['MESH_EXTERNAL', 'MESH_INTERNAL']

test.each([
  ['a typing error', 'conect-failure', ['reset', 'connect-failure'], 'connect-failure'],
  ['another spelling', 'max_retries', ['maxRetries'], 'maxRetries'],
  ['the beginning of one', 'MESH_EXT', locations, 'MESH_EXTERNAL'],
  ['the beginning of two', 'MESH', locations, undefined],
  ['the last word of one', 'EXTERNAL', locations, 'MESH_EXTERNAL'],
  ['the last word of two', 'external', ['MESH_EXTERNAL', 'OTHER_EXTERNAL'], undefined],
  ['the end of a word', 'TERNAL', locations, undefined],
  ['nothing', '', locations, undefined],
])('%s is meant or not: %s', (_, name, names, expected) => {
  expect(closestName(name, names)).toBe(expected)
})
