import { z } from 'zod'
import { meshName, trustDomain } from '#mesh/names.ts'
import { meshSettings } from '#mesh/settings.ts'
import { openEnum } from '../open-enum.ts'
import { timestamp } from './common.ts'

const { domainSuffix, outboundPolicy, inboundMtls, proxyHttpPort, rootNamespace } = meshSettings.unwrap().shape

/** Without the defaults of `meshSettings`: what is absent stays as it is. */
const changes = {
  domainSuffix: domainSuffix.unwrap().optional(),
  outboundPolicy: outboundPolicy.unwrap().optional(),
  inboundMtls: inboundMtls.unwrap().optional(),
  proxyHttpPort: proxyHttpPort.unwrap().optional(),
  rootNamespace: rootNamespace.unwrap().optional(),
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

const shownSettings = meshSettings
  .unwrap()
  .extend({
    outboundPolicy: openEnum(outboundPolicy.unwrap().options).default(outboundPolicy.def.defaultValue),
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
