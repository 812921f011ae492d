import { z } from 'zod'
import { clusterName, networkName } from '#mesh/names.ts'
import { gatewayAddress } from '#mesh/service.ts'
import { clusterState } from '#mesh/state.ts'
import { hold } from '#mesh/uplink.ts'
import { timestamp } from './common.ts'
import { openEnum } from '../open-enum.ts'

export const clusterKind = z.enum(['universal', 'kubernetes'])
export type ClusterKind = z.infer<typeof clusterKind>

/** What a cluster gives to the catalog, in answers. */
export const contribution = openEnum(clusterState.unwrap().shape.contribution.options)

const shownKind = openEnum(clusterKind.options)

/** Of a cluster that is shown. */
export const MAX_TROUBLED_OBJECTS = 20

export const cluster = z
  .object({
    name: clusterName,
    network: networkName,
    kind: shownKind,
    joinedAt: timestamp,
    connected: z.boolean().describe('Whether at least one replica of its agent has an uplink now.'),
    lastSeenAt: timestamp.nullable(),
    replicas: z
      .array(z.object({ replica: z.string(), agentVersion: z.string(), connectedAt: timestamp, reporter: z.boolean() }))
      .describe('The connected replicas of its agent.'),
    contribution,
    gateways: z.array(gatewayAddress),
    services: z.int().min(0),
    endpoints: z.int().min(0),
    certificateExpiresAt: timestamp.nullable().describe('End of its intermediate.'),
    holds: z
      .array(hold.extend({ kind: openEnum(hold.shape.kind.options) }))
      .describe('What waits for a person to confirm it.'),
    probes: z
      .array(z.object({ from: clusterName, address: z.string(), port: z.int(), reachable: z.boolean() }))
      .describe("What other clusters' probes say of its gateways."),
    objectProblems: z
      .int()
      .min(0)
      .nullable()
      .optional()
      .describe("How many things are wrong there with the mesh's objects; null: its agent does not tell."),
    troubledObjects: z
      .array(z.string())
      .optional()
      .describe(`Those objects, \`<kind>/<namespace>/<name>\`, the worst first: at most ${MAX_TROUBLED_OBJECTS}.`),
  })
  .meta({ id: 'Cluster' })
export type Cluster = z.infer<typeof cluster>

export const confirmBody = z.strictObject({ hold: hold.shape.id.min(1) })

const DAY_SECONDS = 24 * 60 * 60

export const joinToken = z
  .object({
    id: z.string(),
    cluster: clusterName,
    network: networkName,
    kind: shownKind,
    createdAt: timestamp,
    expiresAt: timestamp,
    usedAt: timestamp.nullable(),
  })
  .meta({ id: 'JoinToken' })
export type JoinToken = z.infer<typeof joinToken>

/** `secret` is the whole token, `atoll_join_<id>_<secret>`, shown this once. */
export const issuedJoinToken = joinToken.extend({ secret: z.string() }).meta({ id: 'IssuedJoinToken' })

export const createJoinTokenBody = z.strictObject({
  cluster: clusterName,
  network: networkName,
  kind: clusterKind.default('universal'),
  ttlSeconds: z
    .int()
    .min(60)
    .max(7 * DAY_SECONDS)
    .default(60 * 60),
})
