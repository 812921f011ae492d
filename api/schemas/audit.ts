import { z } from 'zod'
import { clusterName } from '#mesh/names.ts'
import { pageQuery, timestamp } from './common.ts'
import { openEnum } from '../open-enum.ts'

/** Who did it: a token, or a cluster's agent, or the plane by itself. */
export const actor = z.object({ kind: openEnum(['token', 'agent', 'plane']), id: z.string(), name: z.string() })
export type Actor = z.infer<typeof actor>

export const auditEvent = z
  .object({
    id: z.string(),
    at: timestamp,
    actor,
    action: z.string().describe('`<resource>.<verb>`, such as `configuration.apply`.'),
    target: z.string().describe('What it was done to, by name.'),
    cluster: clusterName.nullable(),
    outcome: openEnum(['done', 'refused']),
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    requestId: z.string().nullable(),
  })
  .meta({ id: 'AuditEvent' })
export type AuditEvent = z.infer<typeof auditEvent>

export const listAuditQuery = pageQuery.extend({
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
