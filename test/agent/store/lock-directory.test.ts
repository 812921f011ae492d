import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { lockDirectory } from '#agent/store/lock-directory.ts'
import { Child } from '#test/harness/child.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const module = join(import.meta.dirname, '../../../agent/store/lock-directory.ts')

/** Some machines allow no new network namespaces. */
const canUnshare = spawnSync('unshare', ['--map-root-user', '--net', 'true']).status === 0

/** Another process, in a network namespace of its own, that holds the lock until it is killed. */
const startHolder = async (directory: string): Promise<Child> => {
  const script = `const { lockDirectory } = await import(${JSON.stringify(module)})
    const lock = await lockDirectory(${JSON.stringify(directory)})
    lock.ref()
    console.log('locked by', process.pid)`
  const node = [process.execPath, '--input-type=module', '--eval', script]
  const [command = '', ...args] = canUnshare ? ['unshare', '--map-root-user', '--net', ...node] : node
  const holder = new Child({ name: 'holder', command, args })
  onTestFinished(() => holder.kill())
  await holder.waitForLine(/locked by/)
  return holder
}

test('a directory has one user at a time, and whoever comes second is told which', async () => {
  const directory = temporaryDirectory()
  const lock = await lockDirectory(directory)
  await expect(lockDirectory(directory)).rejects.toMatchObject({
    code: 'store_unusable',
    message: `another agent (process ${process.pid}) uses ${directory}`,
  })
  await new Promise((resolve) => lock.close(resolve))
  expect(readdirSync(directory)).toEqual([])
  const next = await lockDirectory(directory)
  await new Promise((resolve) => next.close(resolve))
})

test('a lock goes with its process, and what is left of it is cleared away', async () => {
  const directory = temporaryDirectory()
  const holder = await startHolder(directory)
  await expect(lockDirectory(directory)).rejects.toThrow(`another agent (process ${holder.pid}) uses ${directory}`)
  await holder.kill()
  const left = readdirSync(directory)
  expect(left).toHaveLength(1)
  const lock = await lockDirectory(directory)
  expect(readdirSync(directory)).not.toContain(left[0])
  lock.close()
})

test('of many that start together at most one goes on', async () => {
  const directory = temporaryDirectory()
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => lockDirectory(directory)))
  const locks = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  expect(locks.length).toBeLessThanOrEqual(1)
  for (const lock of locks) lock.close()
})

test('the length of the path does not matter', async () => {
  const directory = join(temporaryDirectory(), 'a'.repeat(200), 'b'.repeat(200))
  mkdirSync(directory, { recursive: true })
  const lock = await lockDirectory(directory)
  await expect(lockDirectory(directory)).rejects.toThrow(/another agent/)
  lock.close()
})
