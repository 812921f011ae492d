import { z } from 'zod'
import { clusterName } from '#mesh/names.ts'
import { pageQuery, timestamp } from './common.ts'
import { openEnum } from '../open-enum.ts'

/** Who did it: a token, or a cluster's agent, or the plane by itself. */
export const actor = z.object({ kind: openEnum(['token', 'agent', 'plane']), id: z.string(), name: z.string() })
export type Actor = z.infer<typeof actor>

const auditHash = z.string().describe('`<version>.<hex>`, of version `v1`: SHA-256 (docs/audit.md).')

/** A place in the chain of events. */
export const auditPlace = z.object({ sequence: z.int().min(0), hash: auditHash })
export type AuditPlace = z.infer<typeof auditPlace>

const changedValue = z.union([z.string(), z.number(), z.boolean()]).nullable()

export const auditChange = z.object({
  what: z.string().describe('The field of the settings, or the key of the object.'),
  before: changedValue.describe('Of an object, the SHA-256 of what a revision has of it; null = it was not there.'),
  after: changedValue,
})
export type AuditChange = z.infer<typeof auditChange>

export const auditEvent = z
  .object({
    id: z.string().describe('Its sequence: 1, 2, 3, … in each log.'),
    at: timestamp,
    actor,
    client: z
      .object({ address: z.string().nullable(), userAgent: z.string().nullable() })
      .nullable()
      .optional()
      .describe('From where: null = from within the plane. `address` is null where the plane cannot know it.'),
    action: z.string().describe('`<resource>.<verb>`, such as `configuration.apply`.'),
    target: z.string().describe('What it was done to, by name.'),
    cluster: clusterName.nullable(),
    outcome: openEnum(['done', 'refused']),
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    changes: z
      .array(auditChange)
      .optional()
      .describe('What it was before and after; at most 50 of them, then `detail` says how many more there are.'),
    requestId: z.string().nullable(),
    previousHash: auditHash.optional().describe('`hash` of the event before it.'),
    hash: auditHash.optional(),
    signature: z
      .string()
      .optional()
      .describe('`<id of the key>.<base64url>`: Ed25519 over the log and `hash` (docs/audit.md). Absent: not signed.'),
  })
  .meta({ id: 'AuditEvent' })
export type AuditEvent = z.infer<typeof auditEvent>

export const auditChain = z
  .object({
    anchor: auditPlace.describe('The last event that is not kept any more; sequence 0 = all are.'),
    head: auditPlace.describe('The newest event.'),
    signing: z
      .object({
        log: z.string().describe('What signatures are bound to: the id of the mesh.'),
        keys: z.array(z.string()).describe('Public keys of Ed25519 in base64url, the one that signs now first.'),
      })
      .optional()
      .describe('What events are signed with, as they are written. Absent: they are not.'),
  })
  .meta({ id: 'AuditChain' })
export type AuditChain = z.infer<typeof auditChain>

export const auditPage = pageQuery.extend({
  order: z.enum(['newest', 'oldest']).default('newest').describe('Which event comes first.'),
})

export const listAuditQuery = auditPage.extend({
  action: z
    .string()
    .max(64)
    .optional()
    .describe('Exactly this action, or with a trailing dot all of a resource: `token.`.'),
  actor: z.string().max(64).optional().describe('Id of the actor.'),
  cluster: clusterName.optional(),
  since: timestamp.optional(),
  until: timestamp.optional(),
})
