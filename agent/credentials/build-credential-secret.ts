import { SecretSchema } from '#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts'
import { parseCredentialKey } from '#mesh/config/schema/credential-name.ts'
import { encode } from '#xds/build/encode.ts'
import { toContentHash } from '#xds/content-hash.ts'
import type { EncodedResource } from '#xds/resource-set.ts'
import { toCredentialSecret, type CredentialPart } from '#xds/proxy.ts'
import { typeUrls } from '#xds/type-url.ts'
import { toHeld } from './credential-parts.ts'
import type { Credential } from './parse-credential.ts'

/** What the secret of SDS is called with this part of a Secret, "<namespace>/<name>". */
export const toPartName = (secret: string, part: CredentialPart): string => {
  const { namespace, name } = parseCredentialKey(secret)
  return toCredentialSecret(namespace, name, part)
}

/** The secret of SDS with one part of a credential; undefined = it has no such part. */
export const buildCredentialSecret = (
  name: string,
  { certificate, authorities }: Credential,
  part: CredentialPart,
): EncodedResource | undefined =>
  toHeld(part) === 'certificate'
    ? certificate && toCertificate(name, certificate)
    : authorities && toAuthorities(name, authorities)

const inline = (value: string) => ({ specifier: { case: 'inlineString' as const, value } })

const toCertificate = (name: string, { chainPem, keyPem }: NonNullable<Credential['certificate']>): EncodedResource => {
  const value = { certificateChain: inline(chainPem), privateKey: inline(keyPem) }
  const { resource } = encode(typeUrls.secret, SecretSchema, name, { name, type: { case: 'tlsCertificate', value } })
  // Versions appear in logs and dumps: a certificate's says nothing about its key.
  const version = toContentHash(new TextEncoder().encode(chainPem))
  return { ...resource, version }
}

const toAuthorities = (name: string, { caPem, crlPem }: NonNullable<Credential['authorities']>): EncodedResource => {
  const value = { trustedCa: inline(caPem), ...(crlPem !== undefined && { crl: inline(crlPem) }) }
  return encode(typeUrls.secret, SecretSchema, name, { name, type: { case: 'validationContext', value } }).resource
}
