import { z } from 'zod'
import { clusterName, trustDomain } from '#mesh/names.ts'
import { pageQuery, timestamp } from './common.ts'

const certificate = z.object({
  serial: z.string().describe('Lower-case hex.'),
  pem: z.string(),
  notBefore: timestamp,
  notAfter: timestamp,
  fingerprint: z.string().describe('Lower-case hex SHA-256 of the DER form.'),
})

/** What the mesh's proxies and agents trust now. */
export const trust = z
  .object({
    trustDomain,
    roots: z.array(certificate),
    intermediates: z.array(certificate.extend({ cluster: clusterName })),
    epoch: z.int().min(0).describe('Raised by every eviction.'),
  })
  .meta({ id: 'Trust' })
export type Trust = z.infer<typeof trust>

/** A certificate that the mesh's root has signed. Leaves are issued in the clusters and are not known here. */
export const issuedCertificate = z
  .object({
    serial: z.string(),
    kind: z.enum(['root', 'intermediate']),
    cluster: clusterName.nullable(),
    issuedAt: timestamp,
    notBefore: timestamp,
    notAfter: timestamp,
    fingerprint: z.string(),
    state: z.enum(['current', 'superseded', 'evicted', 'expired']),
  })
  .meta({ id: 'IssuedCertificate' })
export type IssuedCertificate = z.infer<typeof issuedCertificate>

export const listCertificatesQuery = pageQuery.extend({ cluster: clusterName.optional() })
