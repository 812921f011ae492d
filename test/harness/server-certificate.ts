import 'reflect-metadata'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509'

export interface ServerCertificate {
  /** Files in PEM. Whoever believes the first one believes the server. */
  readonly file: string
  readonly keyFile: string
}

/** Writes a server's certificate that vouches for itself, good for a day, for an IP address. */
export const writeServerCertificate = (folder: string, address: string): Promise<ServerCertificate> =>
  writeOwnCertificate(folder, 'plane', { type: 'ip', value: address })

/** The same of anybody: `<name>.pem` and `<name>-key.pem`. */
export const writeOwnCertificate = async (
  folder: string,
  name: string,
  ...subjects: readonly { readonly type: 'ip' | 'dns'; readonly value: string }[]
): Promise<ServerCertificate> => {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 86_400_000),
    extensions: [new SubjectAlternativeNameExtension([...subjects])],
  })
  const files = { file: join(folder, `${name}.pem`), keyFile: join(folder, `${name}-key.pem`) }
  await writeFile(files.file, certificate.toString('pem'))
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  await writeFile(files.keyFile, PemConverter.encode(pkcs8, 'PRIVATE KEY'), { mode: 0o600 })
  return files
}
