import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import type { z } from 'zod'
import { seal, unseal } from './seal.ts'
import type { SealingKey } from './sealing-key.ts'
import { writeFileAtomically } from './write-atomically.ts'

const formatVersion = 1

/**
 * One small sealed document on disk, and the one before it. A damaged file is found by its authentication tag; the previous
 * generation is then used, and `report` hears of it.
 */
export class SealedDocument<T> {
  readonly #path: string
  readonly #purpose: string
  readonly #key: SealingKey
  readonly #schema: z.ZodType<T>
  readonly #report: (problem: string) => void

  constructor(options: {
    readonly path: string
    /** Told apart from other documents under the same key. */
    readonly name: string
    readonly key: SealingKey
    readonly schema: z.ZodType<T>
    readonly report: (problem: string) => void
  }) {
    this.#path = options.path
    this.#purpose = `atoll-document/${formatVersion}/${options.name}`
    this.#key = options.key
    this.#schema = options.schema
    this.#report = options.report
  }

  /** Whether there is a file, readable or not. */
  get isThere(): boolean {
    return existsSync(this.#path) || existsSync(this.#previous)
  }

  /** The last content that can be read; undefined when there is none. Never throws for what is in a file. */
  load(): T | undefined {
    for (const path of [this.#path, this.#previous]) {
      if (!existsSync(path)) continue
      const content = this.#read(path)
      if (content !== undefined) return content
      this.#report(`${path} is damaged or sealed with another key`)
    }
    return undefined
  }

  /** Durable when it returns. */
  save(content: T): void {
    const sealed = seal(this.#key, this.#purpose, Buffer.from(JSON.stringify(content)))
    if (existsSync(this.#path) && this.#read(this.#path) !== undefined) renameSync(this.#path, this.#previous)
    writeFileAtomically(this.#path, sealed)
  }

  /** What was there counts no more. */
  remove(): void {
    for (const path of [this.#path, this.#previous]) rmSync(path, { force: true })
  }

  get #previous(): string {
    return `${this.#path}.previous`
  }

  #read(path: string): T | undefined {
    try {
      const plain = unseal(this.#key, this.#purpose, readFileSync(path))
      if (plain === undefined) return undefined
      const parsed = this.#schema.safeParse(JSON.parse(plain.toString('utf8')))
      return parsed.success ? parsed.data : undefined
    } catch {
      return undefined
    }
  }
}
