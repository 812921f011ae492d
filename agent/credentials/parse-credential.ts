import 'reflect-metadata'
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { X509Crl } from '@peculiar/x509'
import { z } from 'zod'
import { clientSecretTypes } from '#mesh/kubernetes/client-secrets.ts'
import { pullSecretType } from '#mesh/kubernetes/pull-secrets.ts'
import { credentialKeys, toHeldParts } from '#mesh/kubernetes/credential-keys.ts'
import { err, ok, type Result } from '#mesh/result.ts'
import { parseApiKeys, parseUsers, type Clients } from './parse-clients.ts'
import { parseRegistryLogins, type RegistryLogin } from './parse-registry-logins.ts'

/** What a Secret holds of use for proxies, or for what they run. Never in logs or reports. */
export interface Credential {
  readonly certificate?: { readonly chainPem: string; readonly keyPem: string }
  /** By whom clients are verified. */
  readonly authorities?: { readonly caPem: string; readonly crlPem?: string }
  /** Clients by their keys. */
  readonly apiKeys?: Clients
  /** Clients by their passwords. */
  readonly users?: Clients
  /** How the agent signs in to registries of modules. */
  readonly registries?: readonly RegistryLogin[]
}

/** Of TLS, both that there are. */
export type TlsCredential = Required<Pick<Credential, 'certificate' | 'authorities'>>

/** Kubernetes reference: Secret v1 core. */
export const secretObject = z.object({
  kind: z.literal('Secret'),
  type: z.string().default('Opaque'),
  metadata: z.object({ name: z.string().min(1), namespace: z.string().min(1).default('default') }),
  /** Base64. */
  data: z.record(z.string(), z.string()).default({}),
  stringData: z.record(z.string(), z.string()).default({}),
})

/** What is wrong is told without what it says. */
export const parseCredential = (secret: z.output<typeof secretObject>): Result<Credential, string> => {
  const decoded = Object.entries(secret.data).map(([name, text]) => [name, Buffer.from(text, 'base64').toString()])
  const values: Readonly<Record<string, string>> = { ...Object.fromEntries(decoded), ...secret.stringData }
  if (secret.type === clientSecretTypes.apiKeys) return ok({ apiKeys: parseApiKeys(values) })
  if (secret.type === clientSecretTypes.users) return ok({ users: parseUsers(values) })
  if (secret.type === pullSecretType) {
    const registries = parseRegistryLogins(values)
    return registries.ok ? ok({ registries: registries.value }) : registries
  }
  const held = toHeldParts(Object.keys(values).filter((name) => values[name]))
  if (!held.ok) return held
  const find = (part: keyof typeof credentialKeys) =>
    credentialKeys[part].map((name) => values[name]).find((value) => value)
  const [chainPem, keyPem, caPem, crlPem] = [find('chain'), find('key'), find('authorities'), find('revoked')]
  const fault =
    (chainPem !== undefined && keyPem !== undefined && pairFault(chainPem, keyPem)) ||
    (caPem !== undefined && !isReadable(caPem, 'CERTIFICATE', X509Certificate) && 'its authority can not be read') ||
    (crlPem !== undefined && !isReadable(crlPem, 'X509 CRL', X509Crl) && 'its list of what is revoked can not be read')
  if (fault) return err(fault)
  return ok({
    ...(chainPem !== undefined && keyPem !== undefined && { certificate: { chainPem, keyPem } }),
    ...(caPem !== undefined && { authorities: { caPem, ...(crlPem !== undefined && { crlPem }) } }),
  })
}

const unreadable = 'its certificate or key can not be read'

/** What Envoy would refuse of a certificate: found here, what was said before goes on, and it is told at the object that names it. */
const pairFault = (chainPem: string, keyPem: string): string | undefined => {
  if (!isReadable(chainPem, 'CERTIFICATE', X509Certificate)) return unreadable
  try {
    const key = createPrivateKey(keyPem)
    if (!new X509Certificate(chainPem).checkPrivateKey(key)) return 'its key is not that of its certificate'
    return isKeyOfEnvoy(key) ? undefined : 'its key is none that proxies take: RSA of 2048 bits or more, or ECDSA'
  } catch {
    return unreadable
  }
}

const curves: readonly (string | undefined)[] = ['prime256v1', 'secp384r1', 'secp521r1']

const isKeyOfEnvoy = ({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean =>
  asymmetricKeyType === 'rsa'
    ? (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048
    : asymmetricKeyType === 'ec' && curves.includes(asymmetricKeyDetails?.namedCurve)

const boundary = /-----(BEGIN|END) ([A-Z0-9 ]{1,64})-----/g

/** The blocks with this label; undefined when some block has no end. One pass: whoever writes a Secret may write anything into it. */
const toBlocks = (pem: string, label: string): string[] | undefined => {
  const blocks: string[] = []
  let open: { readonly label: string; readonly at: number } | undefined
  for (const { 0: text, 1: which, 2: name = '', index } of pem.matchAll(boundary)) {
    if ((which === 'BEGIN') === (open !== undefined) || (open && open.label !== name)) return undefined
    if (open && name === label) blocks.push(pem.slice(open.at, index + text.length))
    open = open ? undefined : { label: name, at: index }
  }
  return open ? undefined : blocks
}

/** Whether there is some block with this label, and each is what it should be. */
const isReadable = (pem: string, label: string, Content: new (text: string) => unknown): boolean => {
  try {
    const contents = toBlocks(pem, label)?.map((text) => new Content(text))
    return contents !== undefined && contents.length > 0
  } catch {
    return false
  }
}
