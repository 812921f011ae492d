import { expect, test, vi } from 'vitest'
import { Gate } from './gate.ts'

test('a gate lets so many in, hands places on also where something fails, and turns away who is too many', async () => {
  const gate = new Gate(2, 3)
  const leave: (() => void)[] = []
  let [inside, most] = [0, 0]
  const pass = (fails = false): Promise<string> =>
    gate.pass(async () => {
      inside += 1
      most = Math.max(most, inside)
      await new Promise<void>((resolve) => leave.push(resolve))
      inside -= 1
      if (fails) throw new Error('it fails')
      return 'done'
    })
  const passing = [pass(), pass(true), pass(), pass(), pass()]
  const outcomes = Promise.allSettled(passing)
  await expect(pass()).rejects.toThrow('too much is asked')
  for (let left = 0; left < passing.length; left += 1) {
    await expect.poll(() => leave.length).toBeGreaterThan(0)
    leave.shift()?.()
  }
  expect((await outcomes).map(({ status }) => status)).toEqual([
    'fulfilled',
    'rejected',
    'fulfilled',
    'fulfilled',
    'fulfilled',
  ])
  expect(most).toBe(2)
  leave.length = 0
  const again = pass()
  leave.shift()?.()
  expect(await again).toBe('done')
})

test('who waited too long at a gate is turned away, and does not hold up who came after', async () => {
  vi.useFakeTimers()
  try {
    const gate = new Gate(1, 10)
    const done: string[] = []
    let leave = (): void => undefined
    const slow = gate.pass(() => new Promise<void>((resolve) => (leave = resolve)))
    const pass = (name: string) => gate.pass(async () => done.push(name))
    const late = Promise.allSettled([pass('late'), pass('later')])
    vi.advanceTimersByTime(10_001)
    const next = pass('next')
    leave()
    await slow
    expect(await late).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }])
    await next
    await pass('after')
    expect(done).toEqual(['next', 'after'])
  } finally {
    vi.useRealTimers()
  }
})
