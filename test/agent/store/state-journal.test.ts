import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { SealingKey } from '#agent/store/sealing-key.ts'
import { JournalFile } from '#agent/store/journal-file.ts'
import { StateJournal } from '#agent/store/state-journal.ts'
import type { StateStep, StoredState } from '#agent/store/stored-state.ts'
import type { StateItem } from '#mesh/state.ts'
import { configChange, configItem, configKey } from '../state-items.ts'
import { untilHolds } from '../until-holds.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { VirtualClock } from '../virtual-clock.ts'

const key = randomBytes(32) as Uint8Array as SealingKey

const empty: StoredState = { position: null, revision: 0, receivedAt: 0, items: new Map() }

const fold = (state: StoredState, step: StateStep): StoredState => {
  const items = new Map<string, StateItem>(step.mode === 'snapshot' ? [] : state.items)
  for (const { key: itemKey, item } of step.items) {
    if (item) items.set(itemKey, item)
    else items.delete(itemKey)
  }
  return { position: step.position, revision: step.revision, receivedAt: step.receivedAt, items }
}

const delta = (sequence: number, ...items: StateStep['items']): StateStep => ({
  mode: 'delta',
  position: { epoch: 'e1', sequence },
  revision: sequence,
  receivedAt: sequence,
  items,
})

const openJournal = (directory: string, sealingKey = key) => {
  const reports: string[] = []
  const clock = new VirtualClock()
  const opened = StateJournal.open({
    directory,
    key: sealingKey,
    clock,
    report: (problem) => reports.push(problem),
    current: () => held.state,
  })
  const held = { state: opened.state ?? empty }
  const append = (step: StateStep): void => {
    held.state = fold(held.state, step)
    opened.journal.append(step)
  }
  return { journal: opened.journal, state: opened.state, append, reports, held, clock }
}

/** What a process that is killed now would find. */
const reopened = (directory: string) => {
  const { journal, state, reports } = openJournal(directory)
  void journal.close()
  return { state, reports }
}

const journals = (directory: string): string[] => readdirSync(directory).filter((name) => name.endsWith('.journal'))
const only = (directory: string): string => join(directory, journals(directory)[0] ?? '')

/** A journal whose base is on the disk. */
const startedJournal = async (directory: string) => {
  const opened = openJournal(directory)
  opened.append(delta(1, configChange('first')))
  await untilHolds(() => expect(journals(directory)).toHaveLength(1))
  return opened
}

describe('the state journal', () => {
  test('an empty directory holds no state', () => {
    expect(openJournal(temporaryDirectory()).state).toBeUndefined()
  })

  test('steps are there for a process that was killed after they were appended', async () => {
    const directory = temporaryDirectory()
    const { append, held } = await startedJournal(directory)
    append(delta(2, configChange('second'), { key: configKey('first'), item: null }))
    append(delta(3, configChange('third')))
    expect(reopened(directory).state).toEqual(held.state)
    expect([...(reopened(directory).state?.items.keys() ?? [])]).toEqual([configKey('second'), configKey('third')])
  })

  test('a process that is killed between any two steps, the first one and those during a rewrite included, has lost none', async () => {
    const directory = temporaryDirectory()
    const { append, held } = openJournal(directory)
    const expectAllThere = (): void => expect(reopened(directory)).toEqual({ state: held.state, reports: [] })
    append(delta(1, ...Array.from({ length: 30 }, (_, index) => configChange(`first-${index}`, 'x'.repeat(50_000)))))
    expectAllThere()
    for (let sequence = 2; sequence < 60; sequence += 1) {
      append(delta(sequence, configChange(`object-${sequence % 7}`, 'x'.repeat(100_000))))
      expectAllThere()
      await new Promise(setImmediate)
      expectAllThere()
    }
    expect(journals(directory)).toHaveLength(2)
  })

  test('a damaged journal’s successor is there before anybody is told', async () => {
    const directory = temporaryDirectory()
    const { append } = await startedJournal(directory)
    append(delta(2, configChange('second')))
    writeFileSync(only(directory), 'nonsense')
    const recovered = openJournal(directory)
    recovered.append(delta(3, configChange('third')))
    expect(reopened(directory).state).toEqual(recovered.held.state)
  })

  test('an old journal that can’t be removed is reported, and nothing else', () => {
    const directory = temporaryDirectory()
    const { append, held, reports } = openJournal(directory)
    mkdirSync(join(directory, 'state.7.journal'))
    append(delta(1, configChange('first')))
    append(delta(2, configChange('second')))
    expect(reports).toEqual([expect.stringContaining("can't be removed")])
    rmSync(join(directory, 'state.7.journal'), { recursive: true })
    expect(reopened(directory)).toEqual({ state: held.state, reports: [] })
  })

  test('a step costs its own size, not that of the state', async () => {
    const directory = temporaryDirectory()
    const { append } = await startedJournal(directory)
    append(delta(2, ...Array.from({ length: 500 }, (_, index) => configChange(`object-${index}`))))
    const before = statSync(only(directory)).size
    append(delta(3, configChange('object-7', 'changed')))
    expect(statSync(only(directory)).size - before).toBeLessThan(600)
  })

  test('a grown journal is rewritten, and steps that come meanwhile are in the new one', async () => {
    const directory = temporaryDirectory()
    const { append, held } = await startedJournal(directory)
    for (let sequence = 2; sequence < 40; sequence += 1)
      append(delta(sequence, configChange('large', 'x'.repeat(100_000))))
    append(delta(40, configChange('meanwhile')))
    await untilHolds(() => expect(journals(directory)).toHaveLength(2))
    append(delta(41, configChange('after')))
    expect(reopened(directory).state).toEqual(held.state)
  })

  test('a disk that took nothing has everything a while after it can be written again', async () => {
    const directory = join(temporaryDirectory(), 'data')
    mkdirSync(directory)
    const { append, reports, held, clock } = openJournal(directory)
    rmSync(directory, { recursive: true })
    append(delta(1, configChange('first')))
    await untilHolds(() => expect(reports).toHaveLength(1))
    mkdirSync(directory)
    clock.advance(30_000)
    await untilHolds(() => expect(journals(directory)).toHaveLength(1))
    expect(reopened(directory).state).toEqual(held.state)
  })

  test('a torn or damaged tail loses only the steps from there on, and the journal goes on', async () => {
    const directory = temporaryDirectory()
    const { append } = await startedJournal(directory)
    append(delta(2, configChange('second')))
    const intact = statSync(only(directory)).size
    append(delta(3, configChange('third')))
    const path = only(directory)
    truncateSync(path, statSync(path).size - 3)
    const recovered = openJournal(directory)
    expect(recovered.state?.position?.sequence).toBe(2)
    expect(recovered.reports).toHaveLength(1)
    expect(statSync(path).size).toBe(intact)
    recovered.append(delta(4, configChange('fourth')))
    expect(reopened(directory).state?.items.has(configKey('fourth'))).toBe(true)
    expect(reopened(directory).reports).toEqual([])
  })

  test('a step of several frames that was torn is not applied in part', async () => {
    const directory = temporaryDirectory()
    const { append } = await startedJournal(directory)
    append(delta(2, ...Array.from({ length: 20 }, (_, index) => configChange(`object-${index}`, 'x'.repeat(60_000)))))
    const path = only(directory)
    truncateSync(path, statSync(path).size - 3)
    const recovered = openJournal(directory)
    expect(recovered.state?.position?.sequence).toBe(1)
    recovered.append(delta(2, configChange('small')))
    expect([...(reopened(directory).state?.items.keys() ?? [])]).toEqual([configKey('first'), configKey('small')])
  })

  test('when the newest base is damaged, the previous generation is used and the journal goes on', async () => {
    const directory = temporaryDirectory()
    const { append } = await startedJournal(directory)
    for (let sequence = 2; sequence < 40; sequence += 1)
      append(delta(sequence, configChange('large', 'x'.repeat(100_000))))
    await untilHolds(() => expect(journals(directory)).toHaveLength(2))
    const newest = join(directory, journals(directory).toSorted().at(-1) ?? '')
    const bytes = readFileSync(newest)
    bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100)
    writeFileSync(newest, bytes)
    const recovered = openJournal(directory)
    expect(recovered.state?.items.has(configKey('large'))).toBe(true)
    expect(recovered.reports).toHaveLength(1)
    recovered.append(delta(50, configChange('onward')))
    await untilHolds(() => expect(reopened(directory).state?.items.has(configKey('onward'))).toBe(true))
  })

  test('another key opens nothing, and says so', async () => {
    const directory = temporaryDirectory()
    await startedJournal(directory)
    const other = openJournal(directory, randomBytes(32) as Uint8Array as SealingKey)
    expect(other.state).toBeUndefined()
    expect(other.reports).toHaveLength(1)
  })

  test('what a newer agent, or one with another key, has written is still there when it comes back', async () => {
    const directory = temporaryDirectory()
    const { append } = await startedJournal(directory)
    append(delta(2, configChange('second')))
    const other = openJournal(directory, randomBytes(32) as Uint8Array as SealingKey)
    other.append(delta(1, configChange('of the other')))
    await untilHolds(() => expect(journals(directory)).toHaveLength(2))
    await other.journal.close()
    expect(reopened(directory).state?.items.has(configKey('second'))).toBe(true)
  })

  test('nothing of the state can be read in the files', async () => {
    const directory = temporaryDirectory()
    const { append } = await startedJournal(directory)
    append(delta(2, configChange('a-name-to-look-for')))
    expect(readFileSync(only(directory)).includes('a-name-to-look-for')).toBe(false)
  })

  test('property: whatever bytes are damaged, what is read is the state after some prefix of the steps', async () => {
    const directory = temporaryDirectory()
    const opened = await startedJournal(directory)
    const states = [opened.held.state]
    for (let sequence = 2; sequence < 12; sequence += 1) {
      opened.append(delta(sequence, configChange(`object-${sequence % 4}`, sequence)))
      states.push(opened.held.state)
    }
    const path = only(directory)
    const intact = readFileSync(path)
    fc.assert(
      fc.property(
        fc.nat(intact.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.nat(intact.length),
        (at, flip, length) => {
          const bytes = Buffer.from(intact)
          bytes.writeUInt8(bytes.readUInt8(at) ^ flip, at)
          writeFileSync(path, bytes.subarray(0, length))
          // Without a whole base there is nothing to read.
          expect([undefined, ...states]).toContainEqual(reopened(directory).state)
        },
      ),
      { numRuns: 200 },
    )
  })

  test('what an agent of the version before has written is not all that the plane had to tell', async () => {
    const directory = temporaryDirectory()
    const file = JournalFile.create(join(directory, 'state.1.journal'), key, 1)
    const frame = { ...delta(1, configChange('first')), mode: 'snapshot', more: false }
    file.append(JSON.stringify(frame))
    file.close()
    expect(reopened(directory).state).toMatchObject({ position: { sequence: 1 }, partial: true })
    openJournal(directory).append(delta(2))
    expect(reopened(directory).state).not.toHaveProperty('partial')
  })

  test('items are the ones that were stored', async () => {
    const directory = temporaryDirectory()
    await startedJournal(directory)
    expect(reopened(directory).state?.items.get(configKey('first'))).toEqual(configItem('first'))
  })
})
