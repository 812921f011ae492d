import { z } from 'zod'
import { topologyLabels } from '#mesh/topology.ts'
import { readWith } from './read-with.ts'

/** What is used of a Node. */
export interface KubeNode {
  /** "region/zone/subzone", trailing parts may be missing; "" when unknown. */
  readonly locality: string
  readonly addresses: readonly { readonly type: string; readonly address: string }[]
}

const { region: regionLabel, zone: zoneLabel, subzone: subzoneLabel } = topologyLabels

const nodeObject = z.object({
  metadata: z.object({
    labels: z
      .object({
        [regionLabel]: z.string().default(''),
        [zoneLabel]: z.string().default(''),
        [subzoneLabel]: z.string().default(''),
      })
      .prefault({}),
  }),
  status: z
    .object({ addresses: z.array(z.object({ type: z.string(), address: z.string() })).default([]) })
    .prefault({}),
})

/** Kubernetes reference: Node v1 core. */
export const readNode = readWith('Node', nodeObject, ({ metadata: { labels }, status }): KubeNode => {
  const parts = [labels[regionLabel], labels[zoneLabel], labels[subzoneLabel]]
  return { locality: parts.join('/').replace(/\/+$/, ''), addresses: status.addresses }
})
