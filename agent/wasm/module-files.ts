import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { toErrorMessage } from '#mesh/error-message.ts'
import { writeFileAtomically } from '#agent/store/write-atomically.ts'
import { maxModuleBytes } from './module-limits.ts'
import { toDigest } from './to-digest.ts'

/** Modules on disk, by their digest: what is read is what was fetched, or nothing. */
export class ModuleFiles {
  readonly #directory: string
  /** Hears of damage and of a disk that can't be written. */
  readonly #report: (problem: string) => void

  constructor(directory: string, report: (problem: string) => void) {
    this.#directory = directory
    this.#report = report
  }

  /** undefined = it is not there, or is not what it was. */
  load(digest: string): Buffer | undefined {
    const path = this.#toPath(digest)
    try {
      const code = readFileSync(path)
      if (code.length <= maxModuleBytes && toDigest(code) === digest) return code
      this.#report(`${path} is not what its name says: it is fetched anew`)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#report(`${path} can't be read: ${toErrorMessage(error)}`)
    }
    return undefined
  }

  save(digest: string, code: Uint8Array): void {
    try {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
      writeFileAtomically(this.#toPath(digest), code)
    } catch (error) {
      this.#report(`${this.#toPath(digest)} can't be written: ${toErrorMessage(error)}`)
    }
  }

  /** Removes all others. */
  keep(digests: ReadonlySet<string>): void {
    const names = new Set([...digests].map((digest) => `${digest}.wasm`))
    try {
      for (const name of readdirSync(this.#directory))
        if (!names.has(name)) rmSync(join(this.#directory, name), { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#report(`${this.#directory} can't be read: ${toErrorMessage(error)}`)
    }
  }

  #toPath(digest: string): string {
    return join(this.#directory, `${digest}.wasm`)
  }
}
