import type { Result } from '#mesh/result.ts'
import type { Credential } from './parse-credential.ts'

/** What Secrets say now, by "<namespace>/<name>"; null = it is gone, an error why it is of no use. */
export type CredentialChanges = ReadonlyMap<string, Result<Credential, string> | null>

/**
 * Whether an account may read the Secrets of its namespace; `asked` = nobody knows yet, `failure` = why nobody can tell, `before` = what was
 * said before, which goes on.
 */
export type SecretAccess =
  | 'allowed'
  | 'refused'
  | 'asked'
  | { readonly failure: string; readonly before?: 'allowed' | 'refused' }

/** What was said last; undefined = nobody has said anything yet. */
export const toKnownAccess = (access: SecretAccess): 'allowed' | 'refused' | undefined => {
  if (typeof access === 'object') return access.before
  return access === 'asked' ? undefined : access
}

/** Where the certificates of Gateways and DestinationRules, the keys of clients, and how registries of modules are signed in to, come from: they never leave the cluster. */
export interface CredentialSource {
  /** The listener is called, also without changes, when `isReading`, `failureOf`, `isForbidden` or `accessOf` say something else than before. */
  start(listener: (changes: CredentialChanges) => void): void
  stop(): Promise<void>
  /** No others than these Secrets, and of these accounts whether they may read some, are of use: both as "<namespace>/<name>". */
  want?(secrets: ReadonlySet<string>, readers: ReadonlySet<string>): void
  /** Whether the Secrets of a namespace are being read, and nobody knows yet which are not there. */
  isReading(namespace: string): boolean
  /** Why a Secret of a namespace that is not there could not be read; undefined = it is not there. */
  failureOf(namespace: string): string | undefined
  /** Whether that is because nobody lets us read them, or not any more: what was read before goes on. */
  isForbidden(namespace: string): boolean
  accessOf(account: string): SecretAccess
}
