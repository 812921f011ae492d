import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { SealedDocument } from '#agent/store/sealed-document.ts'
import { loadSealingKey } from '#agent/store/sealing-key.ts'
import { temporaryDirectory } from '../temporary-directory.ts'

const openDocument = (directory: string, name = 'agent') => {
  const reports: string[] = []
  const document = new SealedDocument({
    path: join(directory, 'agent.sealed'),
    name,
    key: loadSealingKey(join(directory, 'sealing.key'), true),
    schema: z.object({ privateKeyPem: z.string() }),
    report: (problem) => reports.push(problem),
  })
  return { document, reports }
}

test('what was saved is loaded, by a key that is made once and readable by its owner only', () => {
  const directory = temporaryDirectory()
  const { document } = openDocument(directory)
  expect(document.load()).toBeUndefined()
  document.save({ privateKeyPem: 'secret words' })
  expect(openDocument(directory).document.load()).toEqual({ privateKeyPem: 'secret words' })
  expect(readFileSync(join(directory, 'agent.sealed')).includes('secret')).toBe(false)
  for (const file of ['sealing.key', 'agent.sealed']) expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600)
})

test('a damaged document gives way to the one before, and both damaged to none', () => {
  const directory = temporaryDirectory()
  const { document } = openDocument(directory)
  document.save({ privateKeyPem: 'old' })
  document.save({ privateKeyPem: 'new' })
  writeFileSync(join(directory, 'agent.sealed'), 'not what was written')
  const again = openDocument(directory)
  expect(again.document.load()).toEqual({ privateKeyPem: 'old' })
  expect(again.reports).toHaveLength(1)
  again.document.save({ privateKeyPem: 'newest' }) // does not push the good previous one out
  writeFileSync(join(directory, 'agent.sealed'), '')
  expect(openDocument(directory).document.load()).toEqual({ privateKeyPem: 'old' })
  writeFileSync(join(directory, 'agent.sealed.previous'), '')
  expect(openDocument(directory).document.load()).toBeUndefined()
})

test('a document does not open under the name of another', () => {
  const directory = temporaryDirectory()
  openDocument(directory).document.save({ privateKeyPem: 'one' })
  expect(openDocument(directory, 'other').document.load()).toBeUndefined()
})

test('a key file that is no key is refused, not replaced', () => {
  const directory = temporaryDirectory()
  const file = join(directory, 'sealing.key')
  writeFileSync(file, 'c2hvcnQ=\n')
  expect(() => loadSealingKey(file, true)).toThrow(/32 bytes/)
  expect(readFileSync(file, 'utf8')).toBe('c2hvcnQ=\n')
  expect(() => loadSealingKey(join(directory, 'none'), false)).toThrow(/can't be read/)
})
