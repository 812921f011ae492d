import { z } from 'zod'
import { keyAlgorithm } from '#mesh/key-algorithm.ts'
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
  csrPem: z
    .string()
    .max(8192)
    .describe(
      'PKCS#10 in PEM: an ECDSA key on P-256 or P-384, or RSA of 2048, 3072 or 4096 bits. Nothing but the key is heeded.',
    ),
})
export type AddIssuerBody = z.infer<typeof addIssuerBody>

const direction = openEnum(['forward', 'back'])
const step = openEnum(['trust-both', 'reissue-intermediates', 'distribute', 'reissue-leaves', 'retire', 'done'])

const rotationWait = z.object({
  code: openEnum(['away', 'too_old', 'silent', 'behind', 'untrusting', 'unproven', 'issuer', 'no_room']).describe(
    'Stable; `message` says it for people.',
  ),
  cluster: clusterName.nullable(),
  proxy: z.string().nullable(),
  message: z.string(),
  since: timestamp,
})

/** A rotation of the mesh's root: docs/decisions/0025. */
export const rotation = z
  .object({
    reason: openEnum(['asked', 'expiring', 'taken_over']).describe(
      '`expiring`: the plane began it, because the root runs out in two years. `taken_over`: an older version had begun it.',
    ),
    direction: direction.describe('`back`: it is being rolled back, by the same steps.'),
    step,
    paused: z.boolean(),
    startedAt: timestamp,
    endedAt: timestamp.nullable(),
    from: z.string().describe('Serial of the root that is to go.'),
    to: z.string().describe('Serial of the root that is to stay.'),
    offlineGraceDays: z.number().describe('A cluster that has been away for longer may be left behind.'),
    leftBehind: z.array(clusterName).describe('Clusters that are not waited for, as a person has said.'),
    steps: z.array(z.object({ step, direction, at: timestamp })).describe('When each step was begun.'),
    waiting: z.int().min(0).describe('How many it waits for.'),
    waits: z
      .array(rotationWait)
      .describe('The first 100 of them. Empty: the next step begins when it has been so for a moment.'),
    clusters: z
      .array(
        z.object({
          cluster: clusterName,
          state: openEnum(['ready', 'waiting', 'left_behind']),
          proxies: z.int().min(0).describe('Proxies whose agents say what they hold.'),
          agents: z.int().min(0).describe('Replicas of its agent that are connected.'),
        }),
      )
      .describe('How far each cluster is with this step.'),
  })
  .meta({ id: 'Rotation' })
export type Rotation = z.infer<typeof rotation>

/** A CA that somebody else has made, to be the mesh's root. */
const ownRoot = z.strictObject({
  chainPem: z
    .string()
    .min(1)
    .max(32_768)
    .describe(
      'Certificates in PEM: the CA that is to sign for clusters, who signed it, and so on up to the one that has signed itself.',
    ),
  privateKeyPem: z
    .string()
    .max(8192)
    .optional()
    .describe("The CA's private key, PKCS#8 in PEM. Absent: the CA is for the key of the request that waits."),
})
export type OwnRoot = z.infer<typeof ownRoot>

/** A key that waits for a certificate which somebody else signs. */
export const rootRequest = z
  .object({
    csrPem: z.string().describe('PKCS#10 in PEM: what the offline root is to sign.'),
    key: openEnum(keyAlgorithm.options),
    createdAt: timestamp,
  })
  .meta({ id: 'RootRequest' })
export type RootRequest = z.infer<typeof rootRequest>

export const startRotationBody = z.strictObject({
  offlineGraceDays: z
    .number()
    .min(0)
    .max(90)
    .default(7)
    .describe('For how long a cluster that is away is waited for before a person may leave it behind.'),
  root: ownRoot.optional().describe('Absent: the plane makes the new root.'),
})

export type StartRotationBody = z.infer<typeof startRotationBody>

export const continueRotationBody = z.strictObject({ without: clusterName })

/** What the mesh's proxies and agents trust now. */
export const trust = z
  .object({
    trustDomain,
    roots: z.array(
      certificate.extend({
        signing: z.boolean().optional().describe('Whether it signs: one of them does.'),
        rotatesAt: timestamp
          .optional()
          .describe('When the plane begins to rotate to another by itself: not from a root that somebody brought.'),
        origin: openEnum(['plane', 'uploaded', 'requested'])
          .default('plane')
          .describe(
            'Who made it: somebody who brought its key too (`uploaded`), or signed a request of the plane (`requested`).',
          ),
        key: openEnum(['plane', 'kms'])
          .default('plane')
          .describe('Where its private key is: sealed in the plane, or in a KMS.'),
        above: z.array(z.string()).default([]).describe('PEM of those above it, none of which is trusted.'),
      }),
    ),
    rotation: rotation
      .nullable()
      .optional()
      .describe('The rotation that is under way, or that was last; null: there was none.'),
    rootRequest: rootRequest.nullable().default(null).describe('The request for a root that waits to be signed.'),
    intermediates: z.array(certificate.extend({ cluster: clusterName })),
    issuers: z.array(externalIssuer).default([]).describe('External issuers.'),
    expiring: z
      .array(
        z.object({
          kind: openEnum(['root', 'intermediate', 'issuer']),
          cluster: clusterName.nullable(),
          serial: z.string().nullable(),
          notAfter: timestamp.nullable().describe('null: there is none that is good.'),
          message: z.string(),
        }),
      )
      .default([])
      .describe('What ends, or should have been renewed by now, while there is time to do something about it.'),
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
    state: openEnum(['current', 'superseded', 'evicted', 'expired', 'prepared']),
  })
  .meta({ id: 'IssuedCertificate' })
export type IssuedCertificate = z.infer<typeof issuedCertificate>

export const listCertificatesQuery = pageQuery.extend({ cluster: clusterName.optional() })
