import type { CredentialPart } from '#xds/proxy.ts'
import type { Credential } from './parse-credential.ts'

/** What is named of a Secret: what a secret of SDS is made of, or by what clients are known. */
export type NamedPart = CredentialPart | ClientPart
type ClientPart = 'api-keys' | 'users'

const heldOf: Readonly<Record<NamedPart, keyof Credential>> = {
  certificate: 'certificate',
  'client-certificate': 'certificate',
  authorities: 'authorities',
  'client-authorities': 'authorities',
  'mutual-authorities': 'authorities',
  'api-keys': 'apiKeys',
  users: 'users',
}

/** What of a Secret a part is made of. */
export const toHeld = (part: NamedPart): keyof Credential => heldOf[part]

/** Whether a server of a Gateway shows it, or verifies by it. */
export const isServed = (part: NamedPart): boolean => part === 'certificate' || part === 'authorities'

/** Whether clients are let in by it: nobody is by what is of no use. */
export const isOfClients = (part: NamedPart): part is ClientPart => part === 'api-keys' || part === 'users'
