import { z } from 'zod'
import { clusterName, issuerName, trustDomain } from '#mesh/names.ts'
import { meshParams, pageQuery, timestamp } from './common.ts'
import { openEnum } from '../open-enum.ts'

const certificate = z.object({
  serial: z.string().describe('Lower-case hex.'),
  pem: z.string(),
  notBefore: timestamp,
  notAfter: timestamp,
  fingerprint: z.string().describe('Lower-case hex SHA-256 of the DER form.'),
})

/** A CA of somebody else's that the mesh's root has signed: docs/decisions/0013. */
export const externalIssuer = certificate
  .extend({
    name: issuerName,
    clusters: z.array(clusterName).describe('Where its workloads live. Nowhere else is it trusted.'),
    createdAt: timestamp,
  })
  .meta({ id: 'ExternalIssuer' })
export type ExternalIssuer = z.infer<typeof externalIssuer>

export const issuerParams = meshParams.extend({ issuer: issuerName })

export const addIssuerBody = z.strictObject({
  name: issuerName,
  clusters: z.array(clusterName).min(1).max(200).describe('Where its workloads live. Each is in the mesh.'),
  csrPem: z.string().max(8192).describe('PKCS#10 in PEM: an ECDSA key on P-256. Nothing but the key is heeded.'),
})
export type AddIssuerBody = z.infer<typeof addIssuerBody>

/** What the mesh's proxies and agents trust now. */
export const trust = z
  .object({
    trustDomain,
    roots: z.array(certificate),
    intermediates: z.array(certificate.extend({ cluster: clusterName })),
    issuers: z.array(externalIssuer).default([]).describe('External issuers.'),
    epoch: z.int().min(0).describe('Raised by every eviction, and by the removal of an issuer.'),
  })
  .meta({ id: 'Trust' })
export type Trust = z.infer<typeof trust>

/** A certificate that the mesh's root has signed. Leaves are issued in the clusters and are not known here. */
export const issuedCertificate = z
  .object({
    serial: z.string(),
    kind: openEnum(['root', 'intermediate', 'issuer']),
    cluster: clusterName.nullable(),
    issuedAt: timestamp,
    notBefore: timestamp,
    notAfter: timestamp,
    fingerprint: z.string(),
    state: openEnum(['current', 'superseded', 'evicted', 'expired']),
  })
  .meta({ id: 'IssuedCertificate' })
export type IssuedCertificate = z.infer<typeof issuedCertificate>

export const listCertificatesQuery = pageQuery.extend({ cluster: clusterName.optional() })
