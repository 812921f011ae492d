import type { Clock } from '#agent/clock.ts'
import { DirectoryWatcher, type FileContent } from '#agent/registry/universal/directory-watcher.ts'
import { readItems } from '#mesh/documents/read-items.ts'
import type { Problem } from '#mesh/problem.ts'
import { err, ok, type Result } from '#mesh/result.ts'
import type { CredentialChanges, CredentialSource, SecretAccess } from './credential-source.ts'
import { parseCredential, secretObject, type Credential } from './parse-credential.ts'

type Secrets = ReadonlyMap<string, Result<Credential, string>>

const limits = { maxCharacters: 10 * 1024 * 1024, maxObjects: 10_000 }

/** Secrets as YAML files below a directory, which nobody else should be able to read. */
export class DirectoryCredentials implements CredentialSource {
  readonly #watcher: DirectoryWatcher
  readonly #files = new Map<string, Secrets>()
  /** What can't be read or understood, and why: what it said before goes on. */
  readonly #faults = new Map<string, string>()
  /** Why nothing can be. */
  #unreadable: string | undefined
  #isRead = false
  #listener: (changes: CredentialChanges) => void = () => {}

  constructor({ directory, clock }: { readonly directory: string; readonly clock: Clock }) {
    this.#watcher = new DirectoryWatcher({
      directory,
      clock,
      onFiles: (files) => this.#takeFiles(files),
      onUnreadable: (reason) => this.#takeUnreadable(reason),
    })
  }

  start(listener: (changes: CredentialChanges) => void): void {
    this.#listener = listener
    this.#watcher.start()
  }

  stop(): Promise<void> {
    return this.#watcher.stop()
  }

  isReading(): boolean {
    return !this.#isRead && this.#unreadable === undefined
  }

  failureOf(): string | undefined {
    if (this.#unreadable !== undefined) return this.#unreadable
    const faults = [...this.problems()]
    return faults.length === 0 ? undefined : `it may be in ${faults.join(', or in ')}`
  }

  isForbidden(): boolean {
    return false
  }

  /** Who put a Secret into the directory has said for which namespace it is. */
  accessOf(): SecretAccess {
    return 'allowed'
  }

  /** One line each, for people: what of the directory is passed over. */
  *problems(): Iterable<string> {
    if (this.#unreadable !== undefined) yield `Secrets: ${this.#unreadable}`
    for (const [file, fault] of this.#faults) yield `${file}: ${fault}`
  }

  #takeUnreadable(reason: string | undefined): void {
    if (reason === this.#unreadable) return
    this.#unreadable = reason
    this.#listener(new Map())
  }

  #takeFiles(files: ReadonlyMap<string, FileContent>): void {
    this.#isRead = true
    const touched = new Set<string>()
    for (const [file, content] of files) {
      const secrets = readFile(content)
      if (!secrets.ok) {
        this.#faults.set(file, secrets.error)
        continue
      }
      this.#faults.delete(file)
      for (const key of [...(this.#files.get(file)?.keys() ?? []), ...secrets.value.keys()]) touched.add(key)
      this.#files.set(file, secrets.value)
    }
    const all = new Map([...this.#files.values()].flatMap((secrets) => [...secrets]))
    this.#listener(new Map([...touched].map((key) => [key, all.get(key) ?? null])))
  }
}

const readFile = (content: FileContent): Result<Secrets, string> => {
  if (content.kind === 'gone') return ok(new Map())
  return content.kind === 'text' ? readSecrets(content.text) : err(content.reason)
}

const readSecrets = (text: string): Result<Secrets, string> => {
  const items = readItems(text, limits)
  if (!items.ok) return err(items.error.map(toFault).join(', '))
  const secrets = new Map<string, Result<Credential, string>>()
  for (const { value, submitted } of items.value) {
    const secret = secretObject.safeParse(value)
    if (!secret.success) {
      const [issue] = secret.error.issues
      return err(`document ${submitted.number} is no Secret: ${issue?.path.join('.')}: ${issue?.message}`)
    }
    const { namespace, name } = secret.data.metadata
    secrets.set(`${namespace}/${name}`, parseCredential(secret.data))
  }
  return ok(secrets)
}

/** Without its message, which may have a part of the text. */
const toFault = ({ code, document, line }: Problem): string => {
  const place = [
    ...(document === undefined ? [] : [`document ${document}`]),
    ...(line === undefined ? [] : [`line ${line}`]),
  ]
  return `${place.join(', ') || 'it'} ${code === 'too_large' ? 'is more than is read: too large, too deep, or too many aliases' : 'is not YAML'}`
}
