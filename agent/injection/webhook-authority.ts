import 'reflect-metadata'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { z } from 'zod'
import { ecdsaP256, exportPrivateKeyPem, generateKeyPair } from '#agent/identity/certificate-key.ts'

/**
 * A certificate authority that nobody trusts but the API servers that call the injector. A cluster's intermediate can't take its place:
 * its name constraints leave no room for the name of a Kubernetes Service.
 */
export const webhookAuthority = z.object({
  certificatePem: z.string(),
  privateKeyPem: z.string(),
  /** Milliseconds since the epoch. */
  createdAt: z.int(),
})
export type WebhookAuthority = z.infer<typeof webhookAuthority>

const hourMilliseconds = 60 * 60_000
const lifetimeMilliseconds = 365 * 24 * hourMilliseconds
const backdateMilliseconds = hourMilliseconds
/** How long an authority is shown to the API servers before certificates come from it. */
const settlingMilliseconds = hourMilliseconds

export const createWebhookAuthority = async (nowMilliseconds: number): Promise<WebhookAuthority> => {
  const keys = await generateKeyPair(true)
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Atoll injector',
    notBefore: new Date(nowMilliseconds - backdateMilliseconds),
    notAfter: new Date(nowMilliseconds + lifetimeMilliseconds),
    keys,
    signingAlgorithm: ecdsaP256,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return {
    certificatePem: `${certificate.toString('pem')}\n`,
    privateKeyPem: await exportPrivateKeyPem(keys.privateKey),
    createdAt: nowMilliseconds,
  }
}

export interface AuthorityPlan {
  /** Those that still count, in the order of their making. */
  readonly valid: readonly WebhookAuthority[]
  /** Whether there should be one more: the newest is in the second half of its life. */
  readonly isDue: boolean
  /** Who signs: the newest that has settled, or else the oldest. undefined = there is none. */
  readonly signer: WebhookAuthority | undefined
}

/** What follows from the authorities that there are. All of the valid ones are trusted, so a new one cuts nobody off. */
export const planAuthorities = (authorities: readonly WebhookAuthority[], nowMilliseconds: number): AuthorityPlan => {
  const valid = authorities
    .filter(({ certificatePem }) => nowMilliseconds < new X509Certificate(certificatePem).notAfter.getTime())
    .toSorted((left, right) => left.createdAt - right.createdAt)
  const newest = valid.at(-1)
  return {
    valid,
    isDue: newest === undefined || nowMilliseconds >= newest.createdAt + lifetimeMilliseconds / 2,
    signer: valid.findLast(({ createdAt }) => nowMilliseconds >= createdAt + settlingMilliseconds) ?? valid[0],
  }
}
