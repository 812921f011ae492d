import { expect, test } from 'vitest'
import { PodTroubleWatch } from './pod-trouble-watch.ts'

const pod = (name: string, reason: string, message: string) => ({
  metadata: { name, resourceVersion: '1', labels: {}, annotations: {}, managedFields: [] },
  status: { containerStatuses: [{ name: 'agent', state: { waiting: { reason, message } } }] },
})

const watch = (isTTY: boolean, ...lists: readonly (ReturnType<typeof pod>[] | Error)[]) => {
  const notes: string[] = []
  const turns = [...lists]
  const context = { io: { stderr: { write: () => true, isTTY } }, note: (text: string) => void notes.push(text) }
  const list = async () => {
    const turn = turns.shift() ?? []
    if (turn instanceof Error) throw turn
    return turn
  }
  return { troubles: new PodTroubleWatch(context, { list }), notes }
}
const starting = pod('a', 'ContainerCreating', '')
const early = pod('b', 'CrashLoopBackOff', 'back-off 10s')
const later = pod('b', 'CrashLoopBackOff', 'back-off 20s')

test('without a terminal a trouble is noted once, and what is so with every pod that starts never', async () => {
  const { troubles, notes } = watch(false, [starting, early], [later], [])
  expect(await troubles.look()).toEqual(['pod b: CrashLoopBackOff: back-off 10s'])
  expect(await troubles.look()).toEqual(['pod b: CrashLoopBackOff: back-off 20s'])
  expect(await troubles.look()).toEqual([])
  expect(notes).toEqual(['pod b: CrashLoopBackOff: back-off 10s'])
})

test('on a terminal nothing is noted: whoever waits shows it', async () => {
  const { troubles, notes } = watch(true, [early])
  expect(await troubles.look()).toHaveLength(1)
  expect(notes).toEqual([])
})

test('in the end all of it is told', async () => {
  const { troubles } = watch(false, [starting, early])
  expect(await troubles.lookAtAll()).toHaveLength(2)
})

test('pods that can not be read keep nobody from waiting', async () => {
  const { troubles } = watch(false, new Error('forbidden'))
  expect(await troubles.look()).toEqual([])
})
