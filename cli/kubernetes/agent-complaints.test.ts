import { expect, test } from 'vitest'
import { findAgentComplaints, toLastComplaint } from './agent-complaints.ts'

const line = (level: string, msg: string, more: object = {}) => JSON.stringify({ level, msg, ...more })
const reason = "the plane https://plane.test can't be reached: self-signed certificate"

test.each([
  ['the last one', [line('warn', 'old'), line('error', 'new'), line('info', 'fine')], 'new'],
  [
    'with its reason',
    [line('warn', 'could not join the mesh yet', { reason })],
    `could not join the mesh yet: ${reason}`,
  ],
  ['with its error', [line('fatal', 'the agent fails', { err: { message: 'no disk' } })], 'the agent fails: no disk'],
  ['between what is no JSON', ['(node:1) Warning', line('warn', 'a'), '', '{"level":"warn"'], 'a'],
  ['none', [line('info', 'agent starting')], undefined],
])('a log: %s', (_, lines, expected) => {
  expect(toLastComplaint(lines.join('\n'))).toBe(expected)
})

const pod = (name: string) => ({
  metadata: { name, resourceVersion: '1', labels: {}, annotations: {}, managedFields: [] },
})

test('replicas say the same once, one that was started anew what it ended with, and one without a log nothing', async () => {
  const logs: Readonly<Record<string, string>> = {
    'a false': line('warn', 'away'),
    'b false': line('info', 'agent starting'),
    'b true': line('warn', 'away'),
    'c true': line('fatal', 'bad_config'),
  }
  const readText = async (path: string) => {
    const [, name, previous] = /pods\/(\w+)\/log.*previous=(\w+)/.exec(path) ?? []
    const log = logs[`${name} ${previous}`]
    if (log === undefined) throw new Error('no log')
    return log
  }
  const list = async () => ['a', 'b', 'c', 'd'].map(pod)
  expect(await findAgentComplaints({ list, readText })).toEqual(['away', 'bad_config'])
})

test('pods that can not be listed are no other error', async () => {
  const list = async () => Promise.reject(new Error('forbidden'))
  expect(await findAgentComplaints({ list, readText: async () => '' })).toEqual([])
})
