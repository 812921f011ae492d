import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseDocuments } from '#mesh/parse-documents.ts'
import { silentIo } from '../../scripts/reference/silent-io.ts'
import { readConfiguration } from './configuration-files.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'atoll-files-'))
  mkdirSync(join(folder, 'sub'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const write = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const service = (name: string, extra = '') =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec:\n  ports: [{port: 80, name: http}]\n${extra}`
const options = { defaultNamespace: 'default', maxCharacters: 100_000, maxObjects: 100 }
const io = { ...silentIo, readStdin: () => Promise.resolve(service('piped')) }

const namesIn = (text: string) => {
  const parsed = parseDocuments(text, options)
  return parsed.ok ? parsed.value.objects.map(({ object }) => object.metadata.name) : parsed.error
}

describe('readConfiguration', () => {
  it('joins files, folders and the standard input into one stream', async () => {
    write('b.yaml', service('b'))
    write('a.yml', `---\n${service('a1')}---\n${service('a2')}`)
    write(
      'sub/c.json',
      JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'c' }, spec: { ports: [{ port: 80 }] } }),
    )
    write('.hidden.yaml', 'not: configuration')
    write('README.md', '# nor this')
    const { text } = await readConfiguration([folder, '-'], io)
    expect(namesIn(text)).toEqual(['a1', 'a2', 'b', 'c', 'piped'])
  })

  it('leaves a single JSON file JSON', async () => {
    const path = write(
      'one.json',
      '[{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "one"}, "spec": {"ports": [{"port": 80}]}}]',
    )
    expect(namesIn((await readConfiguration([path], io)).text)).toEqual(['one'])
  })

  it('makes documents of JSON objects that follow one another', async () => {
    const object = (name: string, port: number) =>
      JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ port }] } })
    const path = write('two.json', `${object('a', 80)} ${object('b', 80)}\n${object('c', 80)}\n`)
    expect(namesIn((await readConfiguration([path], io)).text)).toEqual(['a', 'b', 'c'])
    writeFileSync(path, `${object('a', 80)} ${object('b', 0)}\n${object('c', 0)}\n`)
    const { text, findPlace } = await readConfiguration([path], io)
    const parsed = parseDocuments(text, options)
    const errors = parsed.ok ? [] : parsed.error.filter(({ severity }) => severity === 'error')
    expect(errors.map(({ line = 0 }) => findPlace(line))).toEqual([`${path}:1`, `${path}:2`])
  })

  it('finds the file and line of a problem', async () => {
    const good = write('a.yaml', service('a').trimEnd())
    const bad = write('b.yaml', service('b', '  wrong: true\n'))
    const { text, findPlace } = await readConfiguration([good, bad], io)
    const parsed = parseDocuments(text, options)
    const lines = parsed.ok
      ? []
      : parsed.error.filter(({ severity }) => severity === 'error').map(({ line }) => findPlace(line ?? 0))
    expect(lines).toEqual([`${bad}:6`])
  })

  it.each([
    ['a file that is not there', 'nothing.yaml', /nothing\.yaml cannot be read: no such file or directory$/],
    ['a folder without configuration', 'sub', /There is no \.yaml/],
  ])('names %s', async (_, name, message) => {
    await expect(readConfiguration([join(folder, name)], io)).rejects.toThrow(message)
  })
})
