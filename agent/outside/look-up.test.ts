import { expect, test } from 'vitest'
import { oneAtATime } from './look-up.ts'

test('one name is looked up at a time, and none for who has given up', async () => {
  const asked: string[] = []
  const answers: (() => void)[] = []
  const resolve = oneAtATime((hostname) => {
    asked.push(hostname)
    return new Promise((fulfil, reject) =>
      answers.push(() => (hostname === 'slow' ? reject(new Error('no such name')) : fulfil([]))),
    )
  })
  const given = new AbortController()
  const slow = resolve('slow', new AbortController().signal)
  const late = resolve('late', given.signal)
  const good = resolve('good', new AbortController().signal)
  await expect.poll(() => asked).toEqual(['slow'])
  given.abort(new Error('too late'))
  answers[0]?.()
  await expect(slow).rejects.toThrow('no such name')
  await expect(late).rejects.toThrow('too late')
  await expect.poll(() => asked).toEqual(['slow', 'good'])
  answers[1]?.()
  expect(await good).toEqual([])
})
