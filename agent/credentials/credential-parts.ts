import type { CredentialPart } from '#xds/proxy.ts'
import type { Credential } from './parse-credential.ts'

/** What of a Secret a part is made of. */
export const toHeld = (part: CredentialPart): keyof Credential =>
  part === 'certificate' || part === 'client-certificate' ? 'certificate' : 'authorities'

/** Whether a server of a Gateway shows it, or verifies by it. */
export const isServed = (part: CredentialPart): boolean => part === 'certificate' || part === 'authorities'
