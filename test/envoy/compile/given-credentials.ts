import type { CredentialChanges, CredentialSource, SecretAccess } from '#agent/credentials/credential-source.ts'

/** Secrets that a test says, and who may read them: everybody, unless it says otherwise. */
export class GivenCredentials implements CredentialSource {
  #secrets: CredentialChanges = new Map()
  readonly #access = new Map<string, SecretAccess>()
  #listener: (changes: CredentialChanges) => void = () => {}

  /** Whoever listens is told all that is there. */
  start(listener: (changes: CredentialChanges) => void): void {
    this.#listener = listener
    listener(this.#secrets)
  }

  async stop(): Promise<void> {
    this.#listener = () => {}
  }

  give(changes: CredentialChanges): void {
    this.#secrets = new Map([...this.#secrets, ...changes])
    this.#listener(changes)
  }

  allow(account: string, access: SecretAccess): void {
    this.#access.set(account, access)
    this.#listener(new Map())
  }

  isReading(): boolean {
    return false
  }

  failureOf(): undefined {}

  isForbidden(): boolean {
    return false
  }

  accessOf(account: string): SecretAccess {
    return this.#access.get(account) ?? 'allowed'
  }
}
