import { z } from 'zod'
import { keyAlgorithm } from '#mesh/key-algorithm.ts'
import { meshName, trustDomain } from '#mesh/names.ts'
import { settingsFields } from '#mesh/settings.ts'
import { openEnum } from '../open-enum.ts'
import { timestamp } from './common.ts'
import { shownProblem } from './shown-problem.ts'

const { domainSuffix, inboundMtls, logRetentionDays, traceRetentionDays, keys, meshConfig } = settingsFields.shape

/** Without the defaults of `meshSettings`: what is absent stays as it is. */
const changes = {
  domainSuffix: domainSuffix.unwrap().optional(),
  inboundMtls: inboundMtls.unwrap().optional(),
  logRetentionDays: logRetentionDays.describe('How many days access logs are kept; 7 unless set.'),
  traceRetentionDays: traceRetentionDays.describe('How many days spans are kept; 7 unless set.'),
  keys: keys
    .unwrap()
    .unwrap()
    .strict()
    .optional()
    .describe(
      'What private keys are: of the next root, of the intermediates of clusters, of workloads. Those that are named replace those that are there; ecdsa-p256 unless set.',
    ),
  meshConfig: meshConfig
    .unwrap()
    .optional()
    .describe(
      "Fields of Istio's MeshConfig, which replace those that are there; null takes one back to its default. docs/support.md lists them.",
    ),
}

export const updateMeshBody = z.strictObject(changes)
export type UpdateMeshBody = z.infer<typeof updateMeshBody>

export const createMeshBody = z.strictObject({
  name: meshName,
  trustDomain: trustDomain
    .optional()
    .describe('The SPIFFE trust domain, for good; `<mesh>.atoll.internal` when absent.'),
  ...changes,
})
export type CreateMeshBody = z.infer<typeof createMeshBody>

const shownKey = openEnum(keyAlgorithm.options).optional()

const shownSettings = settingsFields
  .extend({
    keys: z.object({ root: shownKey, intermediate: shownKey, leaf: shownKey }).optional(),
    inboundMtls: openEnum(inboundMtls.unwrap().options).default(inboundMtls.def.defaultValue),
  })
  .readonly()

export const mesh = z
  .object({
    id: z.string(),
    name: meshName,
    settings: shownSettings,
    revision: z.int().min(0).describe('The newest revision of its configuration; 0 = none yet.'),
    clusters: z.int().min(0),
    createdAt: timestamp,
  })
  .meta({ id: 'Mesh' })
export type Mesh = z.infer<typeof mesh>

export const changedMesh = mesh
  .extend({
    problems: z
      .array(shownProblem)
      .default([])
      .describe('Warnings about the settings that were given: what nothing follows from.'),
  })
  .meta({ id: 'ChangedMesh' })
export type ChangedMesh = z.infer<typeof changedMesh>
