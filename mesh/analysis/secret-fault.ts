import { authoritiesSuffix, parseCredentialKey } from '../config/schema/credential-name.ts'
import { toHeldParts } from '../kubernetes/credential-keys.ts'
import type { KnownSecrets } from './known-mesh.ts'

export type SecretPart = 'certificate' | 'authorities'

/** What is wrong with a Secret, "<namespace>/<name>", as far as is known. As the agent takes them: authorities may be in one of their own. */
export const findSecretFault = (secrets: KnownSecrets, key: string, part: SecretPart): string | undefined => {
  const beside = `${key}${authoritiesSuffix}`
  if (part === 'authorities' && secrets.keys.has(beside) && contentFault(secrets, beside, part) === undefined)
    return undefined
  if (secrets.keys.has(key)) return contentFault(secrets, key, part)
  return secrets.namespaces.has(parseCredentialKey(key).namespace)
    ? `no Secret here is ${key}, where its proxies run`
    : undefined
}

const contentFault = (secrets: KnownSecrets, key: string, part: SecretPart): string | undefined => {
  const keys = secrets.keys.get(key)
  if (!keys) return undefined
  const held = toHeldParts(keys)
  if (!held.ok) return `Secret ${key} is of no use: ${held.error}`
  return held.value[part] ? undefined : `Secret ${key} has no ${part}`
}
