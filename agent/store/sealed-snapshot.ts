import { randomUUID } from 'node:crypto'
import { existsSync, fsync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { toErrorMessage } from '#mesh/error-message.ts'
import { parseJson } from '#mesh/parse-json.ts'
import { JournalFile } from './journal-file.ts'
import type { SealingKey } from './sealing-key.ts'
import { syncDirectory } from './write-atomically.ts'

/** What was written together, and when: milliseconds since the epoch. */
export interface Snapshot<Item> {
  readonly savedAt: number
  readonly items: readonly Item[]
}

export interface SealedSnapshotOptions<Item> {
  readonly path: string
  /** Told apart from other files under the same key. */
  readonly name: string
  readonly key: SealingKey
  readonly schema: z.ZodType<Item>
  /** Hears of damage and of a disk that can't be written. */
  readonly report: (problem: string) => void
}

const frameChars = 256 * 1024

/** `id` is one snapshot's: parts of two of them do not go together. */
const frame = z.object({ id: z.string(), savedAt: z.number(), items: z.array(z.unknown()), more: z.boolean() })

/** A list on disk that is replaced as a whole, sealed in parts so that a large one keeps nobody waiting. Each replacement is the last one, or the one before. */
export class SealedSnapshot<Item> {
  readonly #options: SealedSnapshotOptions<Item>

  constructor(options: SealedSnapshotOptions<Item>) {
    this.#options = options
  }

  /** undefined = there is none that can be read and understood as a whole. Never throws for what is in the file. */
  load(): Snapshot<Item> | undefined {
    const { path, key, name, schema, report } = this.#options
    if (!existsSync(path)) return undefined
    const items: Item[] = []
    let first: z.infer<typeof frame> | undefined
    let isWhole = false
    try {
      const { file } = JournalFile.recover(path, key, name, (text) => {
        const part = frame.safeParse(parseJson(text)).data
        const content = part && z.array(schema).safeParse(part.items).data
        first ??= part
        if (!content || isWhole || part.id !== first?.id) return 'bad'
        for (const item of content) items.push(item)
        isWhole = !part.more
        return part.more ? 'more' : 'last'
      })
      file.close()
    } catch (error) {
      report(`${path} can't be read: ${toErrorMessage(error)}`)
      return undefined
    }
    if (first && isWhole) return { savedAt: first.savedAt, items }
    report(`${path} is damaged, of another key or of another version; what it held is read anew`)
    return undefined
  }

  /** Resolves when it is on the disk, or was reported that it can't be. One at a time. */
  async save({ savedAt, items }: { readonly savedAt: number; readonly items: Iterable<Item> }): Promise<void> {
    const { path, key, name, report } = this.#options
    const draft = `${path}.tmp`
    let file: JournalFile | undefined
    try {
      file = JournalFile.create(draft, key, name)
      const head = JSON.stringify({ id: randomUUID(), savedAt }).slice(0, -1)
      const append = (texts: readonly string[], more: boolean): void =>
        file?.append(`${head},"more":${more},"items":[${texts.join(',')}]}`)
      let texts: string[] = []
      let chars = 0
      for (const item of items) {
        const text = JSON.stringify(item)
        if (texts.length > 0 && chars + text.length > frameChars) {
          append(texts, true)
          texts = []
          chars = 0
          await new Promise(setImmediate)
        }
        texts.push(text)
        chars += text.length
      }
      append(texts, false)
      await promisify(fsync)(file.descriptor)
      renameSync(draft, path)
      syncDirectory(dirname(path))
    } catch (error) {
      rmSync(draft, { force: true })
      report(`${path} can't be written: ${toErrorMessage(error)}`)
    }
    file?.close()
  }
}
