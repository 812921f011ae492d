import { execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import type { BatchRank } from '#agent/telemetry/outbox/batch.ts'
import { Spool } from '#agent/telemetry/outbox/spool.ts'
import { temporaryDirectory } from '#test/agent/temporary-directory.ts'

const MiB = 1024 * 1024

const openSpool = (directory: string) => {
  const shed: string[] = []
  const onShed = ({ rank, records }: { rank: BatchRank; records: number }, reason: string) =>
    shed.push(`${records} ${rank} ${reason}`)
  return { spool: new Spool({ directory, limitBytes: 1024 * MiB, sharers: 1, onShed }), shed }
}

/** A file system of its own, which needs root. */
const mountSmall = (): string | undefined => {
  const directory = temporaryDirectory()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  onTestFinished(() => void execFileSync('umount', ['--lazy', directory]))
  return directory
}

test('a disk that others fill up costs what matters least, all of it counted, and nothing more once there is room', async (context) => {
  const directory = mountSmall()
  if (directory === undefined) return context.skip('mounting needs root')
  const { spool, shed } = openSpool(directory)
  const write = (records: number, rank: BatchRank) =>
    spool.write({ signal: 'logs', rank, records, body: randomBytes(100_000) })
  await write(1, 'routine')
  await write(2, 'notable')
  expect(() => writeFileSync(join(directory, 'filler'), Buffer.alloc(2 * MiB))).toThrow('ENOSPC')
  await write(3, 'notable')
  await write(4, 'routine')
  expect(shed).toEqual(['1 routine disk', '4 routine disk'])
  // Two files, in blocks of 4 KiB.
  expect([spool.records().logs, spool.bytes]).toEqual([5, 2 * 25 * 4096])
  rmSync(join(directory, 'filler'))
  await write(6, 'routine')
  expect(shed).toHaveLength(2)
  const names = readdirSync(directory).filter((name) => name !== 'refused')
  expect(names.map((name) => [name.split('.').at(-1), readFileSync(join(directory, name)).length])).toEqual(
    Array.from({ length: 3 }, () => ['gz', 100_000]),
  )
})

/** Writes batches and says of each, when that is done, what it was. */
const writer = (directory: string) => `
  import { createHash, randomBytes } from 'node:crypto'
  import { Spool } from '#agent/telemetry/outbox/spool.ts'
  const spool = new Spool({ directory: ${JSON.stringify(directory)}, limitBytes: 1e9, sharers: 1, onShed: () => {} })
  for (;;) {
    const body = randomBytes(300_000)
    await spool.write({ signal: 'logs', rank: 'notable', records: 1, body })
    process.stdout.write(createHash('sha256').update(body).digest('hex') + '\\n')
  }`

test('an agent that is killed while it writes has all that was written, and nothing torn', async () => {
  const directory = temporaryDirectory()
  const written: string[] = []
  for (const most of [1, 5, 20]) {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', writer(directory)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = new Promise((resolve) => child.once('close', resolve))
    let lines = 0
    for await (const line of createInterface(child.stdout)) {
      written.push(line)
      if ((lines += 1) === most) child.kill('SIGKILL')
    }
    await ended
  }
  const { spool } = openSpool(directory)
  const found: string[] = []
  for (let batch = spool.oldest(() => true); batch; batch = spool.oldest(() => true)) {
    const held = await spool.hold(batch)
    expect(held?.body.length).toBe(300_000)
    if (held) found.push(createHash('sha256').update(held.body).digest('hex'))
    await spool.remove(batch)
  }
  // One of each may have been written, and not told of any more.
  expect(found).toEqual(expect.arrayContaining(written))
  expect(found.length).toBeLessThanOrEqual(written.length + 3)
  expect(readdirSync(directory)).toEqual(['refused'])
})
