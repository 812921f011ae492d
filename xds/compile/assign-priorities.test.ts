import { expect, test } from 'vitest'
import { assignPriorities } from './assign-priorities.ts'

test.each([
  ['eu/a/1', ['eu/a/1', 'eu/a/2', 'eu/b/1', 'us/a/1', ''], [0, 1, 2, 3, 3]],
  // Without gaps, whatever is there.
  ['eu/a/1', ['us/a/1', 'eu/b/1'], [1, 0]],
  ['eu', ['eu/a', 'us', 'eu'], [0, 1, 0]],
])('from %s, %j have the priorities %j', (client, localities, expected) => {
  expect(assignPriorities(localities, client)).toEqual(expected)
})
