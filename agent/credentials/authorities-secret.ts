import { authoritiesSuffix } from '#mesh/config/schema/credential-name.ts'

/** The Secret by whose name this one is asked for too; itself when it is of no other. */
export const withoutAuthoritiesSuffix = (secret: string): string =>
  secret.endsWith(authoritiesSuffix) ? secret.slice(0, -authoritiesSuffix.length) : secret

/** Whether a Secret is of use where these are named. */
export const isSecretOfUse = (secret: string, named: ReadonlySet<string>): boolean =>
  named.has(secret) || named.has(withoutAuthoritiesSuffix(secret))
