import { createReadStream, createWriteStream, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { AtollError } from '#api/atoll-error.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { CliError } from '../cli-error.ts'
import { writeTar } from '../plane/tar.ts'
import { redact } from './redact.ts'

const MAX_FILE_CHARS = 4 * 1024 * 1024
const MAX_TOTAL_CHARS = 64 * 1024 * 1024
/** The longest name that every path inside the archive may have (`cli/plane/tar.ts`), and room for the folder. */
const MAX_NAME_PART = 80

/** Something that could not be had, and why. */
export interface Missing {
  readonly part: string
  readonly reason: string
}

/** What is collected, as files in a folder of its own. Everything passes the redaction on its way in. */
export class SupportBundle {
  readonly missing: Missing[] = []
  /** What looks wrong, a line each: the first thing that a helper reads. */
  readonly findings: string[] = []
  redacted = 0
  readonly #staging: string
  readonly #root: string
  readonly #files: string[] = []
  #chars = 0
  readonly #deadline: { readonly now: () => number; readonly at: number }

  /** `root`: the folder that the archive unpacks to. */
  constructor(staging: string, root: string, deadline: { readonly now: () => number; readonly at: number }) {
    this.#staging = staging
    this.#root = root
    this.#deadline = deadline
  }

  get files(): readonly string[] {
    return this.#files
  }

  find(finding: string): void {
    this.findings.push(redact(finding).text)
  }

  /** Text as it is, anything else as JSON. What is too long loses its end, or (a log) its beginning. */
  add(name: string, content: unknown, keep: 'start' | 'end' = 'start'): void {
    const { text, count } = redact(typeof content === 'string' ? content : `${JSON.stringify(content, undefined, 2)}\n`)
    this.redacted += count
    const kept = keep === 'start' ? text.slice(0, MAX_FILE_CHARS) : text.slice(-MAX_FILE_CHARS)
    if (kept.length < text.length)
      this.miss(name, `${text.length - kept.length} characters of its ${text.length} are cut`)
    if (this.#chars + kept.length > MAX_TOTAL_CHARS) return this.miss(name, 'the bundle is full')
    this.#chars += kept.length
    const path = join(this.#root, name)
    mkdirSync(dirname(join(this.#staging, path)), { recursive: true, mode: 0o700 })
    writeFileSync(join(this.#staging, path), kept, { mode: 0o600 })
    this.#files.push(name)
  }

  miss(part: string, reason: string): void {
    this.missing.push({ part, reason: redact(reason).text })
  }

  /** Whether it worked. What fails is noted, and the rest goes on; so is what there is no time for. */
  async attempt(part: string, work: () => Promise<void>): Promise<boolean> {
    if (this.#deadline.now() >= this.#deadline.at) {
      this.miss(part, 'there was no time left; see --timeout')
      return false
    }
    try {
      await work()
      return true
    } catch (error) {
      this.miss(part, toReason(error))
      return false
    }
  }

  /** Packs everything, for the owner alone. */
  async write(archive: string): Promise<void> {
    const tar = join(this.#staging, 'bundle.tar')
    const packed = `${tar}.gz`
    await writeTar(
      tar,
      this.#staging,
      this.#files.map((name) => join(this.#root, name)),
    )
    await pipeline(createReadStream(tar), createGzip(), createWriteStream(packed, { mode: 0o600 }))
    renameSync(packed, archive)
    rmSync(tar)
  }
}

const toReason = (error: unknown): string => {
  if (error instanceof AtollError) return `${error.message} (${error.code})`
  if (error instanceof CliError && error.remedy !== undefined) return `${error.message}. ${error.remedy}`
  return toErrorMessage(error)
}

/** A name of anything as the name of a file. */
export const toFileName = (name: string): string => name.replaceAll(/[^\w.-]+/g, '_').slice(0, MAX_NAME_PART)
