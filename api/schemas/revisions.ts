import { z } from 'zod'
import { configObject } from '#mesh/config-object.ts'
import { clusterName } from '#mesh/names.ts'
import { delivery as agentDelivery } from '#mesh/uplink.ts'
import { actor } from './audit.ts'
import { meshParams, pageQuery, queryFlag, revisionNumber, timestamp } from './common.ts'
import { objectChange } from './configuration.ts'
import { openEnum } from '../open-enum.ts'

export const revisionParams = meshParams.extend({ revision: revisionNumber })

export const revision = z
  .object({
    revision: z.int().min(1),
    createdAt: timestamp,
    actor,
    operation: openEnum(['apply', 'delete', 'rollback', 'publish']).describe(
      '`publish`: what clusters publish has come, changed or gone; `actor` is the cluster.',
    ),
    rollbackTo: z.int().min(0).nullable().describe('The revision whose objects a rollback brought back.'),
    created: z.int().min(0),
    updated: z.int().min(0),
    deleted: z.int().min(0),
    retained: z.boolean().describe('Whether it can still be diffed and rolled back to.'),
  })
  .meta({ id: 'Revision' })
export type Revision = z.infer<typeof revision>

export const revisionDetail = revision.extend({ changes: z.array(objectChange) }).meta({ id: 'RevisionDetail' })
export type RevisionDetail = z.infer<typeof revisionDetail>

export const diffQuery = pageQuery.extend({
  against: revisionNumber.optional().describe('The older side; absent = the revision before.'),
})

/** One object that differs between two revisions; null = it is not there. */
export const objectDiff = z
  .object({
    key: z.string(),
    action: openEnum(['created', 'updated', 'deleted']),
    before: configObject.nullable(),
    after: configObject.nullable(),
  })
  .meta({ id: 'ObjectDiff' })
export type ObjectDiff = z.infer<typeof objectDiff>

export const rollbackQuery = z.object({ dryRun: queryFlag('Answer what would change; change nothing.') })

export const MAX_WAIT_SECONDS = 25

export const deliveryQuery = z.object({
  waitSeconds: z.coerce
    .number<number>()
    .min(0)
    .max(MAX_WAIT_SECONDS)
    .default(0)
    .describe('Wait this long for an answer that is complete, or whose `version` is not `after`.'),
  after: z.string().max(128).optional().describe('`version` of the answer that the caller has.'),
})

/** How far one cluster is with a revision; the agent's last report, so `live` of a disconnected cluster is what it last said. */
export const clusterDelivery = z.object({
  cluster: clusterName,
  connected: z.boolean(),
  proxies: z.int().min(0).describe('Those that are connected to an agent, and those that run and are not.'),
  live: z.int().min(0).describe('Proxies on which this revision, or a later one, is live.'),
  laggards: agentDelivery.shape.laggards,
  nacks: agentDelivery.shape.nacks,
  absent: z
    .object({ proxies: z.int().min(1), names: z.array(z.string()).max(20) })
    .optional()
    .describe('Proxies that run and are connected to no agent, such as those between two agents.'),
  silent: z
    .int()
    .min(1)
    .optional()
    .describe('Connected replicas of the agent that serve no proxies yet, and say nothing of them.'),
  heldBecause: z.string().optional().describe('The agent waits for a person to confirm a step.'),
})
export type ClusterDelivery = z.infer<typeof clusterDelivery>

export const revisionDelivery = z
  .object({
    revision: z.int().min(0),
    clusters: z.array(clusterDelivery),
    complete: z.boolean().describe('Every cluster is connected, not held, and live on all of its proxies.'),
    version: z.string().describe('Opaque; differs when the rest does.'),
  })
  .meta({ id: 'RevisionDelivery' })
export type RevisionDelivery = z.infer<typeof revisionDelivery>
