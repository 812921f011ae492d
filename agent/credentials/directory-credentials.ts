import { parseAllDocuments } from 'yaml'
import type { Clock } from '#agent/clock.ts'
import type { Log } from '#agent/log.ts'
import { DirectoryWatcher, type FileContent } from '#agent/registry/universal/directory-watcher.ts'
import type { Result } from '#mesh/result.ts'
import type { CredentialChanges, CredentialSource } from './credential-source.ts'
import { parseCredential, secretObject, type Credential } from './parse-credential.ts'

type Secrets = ReadonlyMap<string, Result<Credential, string>>

/** Secrets as YAML files below a directory, which nobody else should be able to read. */
export class DirectoryCredentials implements CredentialSource {
  readonly #watcher: DirectoryWatcher
  readonly #files = new Map<string, Secrets>()
  readonly #log: Log
  #listener: (changes: CredentialChanges) => void = () => {}

  constructor({ directory, clock, log }: { readonly directory: string; readonly clock: Clock; readonly log: Log }) {
    this.#log = log
    this.#watcher = new DirectoryWatcher({
      directory,
      clock,
      onFiles: (files) => this.#takeFiles(files),
      onUnreadable: (reason) =>
        reason !== undefined && log.error({ directory, reason }, 'the credentials can not be read'),
    })
  }

  start(listener: (changes: CredentialChanges) => void): void {
    this.#listener = listener
    this.#watcher.start()
  }

  stop(): Promise<void> {
    return this.#watcher.stop()
  }

  #takeFiles(files: ReadonlyMap<string, FileContent>): void {
    const touched = new Set<string>()
    for (const [file, content] of files) {
      if (content.kind === 'unreadable') continue
      const secrets = content.kind === 'text' ? this.#read(file, content.text) : new Map<string, never>()
      if (!secrets) continue
      for (const key of [...(this.#files.get(file)?.keys() ?? []), ...secrets.keys()]) touched.add(key)
      this.#files.set(file, secrets)
    }
    const all = new Map([...this.#files.values()].flatMap((secrets) => [...secrets]))
    this.#listener(new Map([...touched].map((key) => [key, all.get(key) ?? null])))
  }

  /** undefined when it can't be understood: what it said before goes on. */
  #read(file: string, text: string): Secrets | undefined {
    const secrets = new Map<string, Result<Credential, string>>()
    for (const document of parseAllDocuments(text)) {
      const value: unknown = document.errors.length > 0 ? undefined : document.toJS()
      if (value === null) continue
      const secret = secretObject.safeParse(value)
      if (!secret.success) {
        this.#log.error({ file }, 'a file of credentials holds something else than Secrets: it is passed over')
        return undefined
      }
      const { namespace, name } = secret.data.metadata
      secrets.set(`${namespace}/${name}`, parseCredential(secret.data))
    }
    return secrets
  }
}
