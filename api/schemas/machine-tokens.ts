import { z } from 'zod'
import { clusterName, namespaceName, objectName } from '#mesh/names.ts'
import { machineToken as machineTokenState } from '#mesh/state.ts'
import { timestamp } from './common.ts'
import { MAX_TOKEN_TTL_SECONDS } from './tokens.ts'
import { openEnum } from '../open-enum.ts'

const { role } = machineTokenState.unwrap().shape

export const machineToken = z
  .object({
    id: z.string(),
    cluster: clusterName,
    role: openEnum(role.options),
    namespace: namespaceName,
    serviceAccount: objectName,
    workload: objectName.describe('The WorkloadEntry (sidecar) or gateway that the holder is, or its WorkloadGroup.'),
    group: z
      .boolean()
      .default(false)
      .describe('The holders are the machines of a WorkloadGroup, each told from the others by its address.'),
    createdAt: timestamp,
    expiresAt: timestamp,
  })
  .meta({ id: 'MachineToken' })
export type MachineToken = z.infer<typeof machineToken>

/** `secret` is the whole token, `atoll_machine_<id>_<secret>`, shown this once. */
export const issuedMachineToken = machineToken.extend({ secret: z.string() }).meta({ id: 'IssuedMachineToken' })

export const createMachineTokenBody = z
  .strictObject({
    role,
    namespace: namespaceName,
    serviceAccount: objectName,
    workload: objectName,
    group: z.boolean().default(false),
    ttlSeconds: z
      .int()
      .min(60)
      .max(MAX_TOKEN_TTL_SECONDS)
      .default(90 * 24 * 60 * 60),
  })
  .refine(({ group, role: given }) => !group || given === 'sidecar', {
    path: ['group'],
    message: 'the machines of a WorkloadGroup are sidecars',
  })
