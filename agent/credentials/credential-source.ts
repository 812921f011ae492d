import type { Result } from '#mesh/result.ts'
import type { Credential } from './parse-credential.ts'

/** What Secrets say now, by "<namespace>/<name>"; null = it is gone, an error why it is of no use. */
export type CredentialChanges = ReadonlyMap<string, Result<Credential, string> | null>

/** Where the certificates of gateways come from: they never leave the cluster. */
export interface CredentialSource {
  start(listener: (changes: CredentialChanges) => void): void
  stop(): Promise<void>
  /** No others than these Secrets, "<namespace>/<name>", are of use. */
  want?(secrets: ReadonlySet<string>): void
  /** Why the Secrets of a namespace can't be read; undefined = they can. */
  failureOf?(namespace: string): string | undefined
}
