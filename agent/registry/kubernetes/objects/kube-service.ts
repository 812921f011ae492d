import { z } from 'zod'
import type { ObjectMeta } from '#mesh/config-object.ts'
import { exportToAnnotation, trafficDistributionAnnotation } from '#mesh/config/service.ts'
import { readWith } from './read-with.ts'

/** What is used of a Service. */
export interface KubeService {
  readonly metadata: ObjectMeta
  readonly type: string
  /** "" when it is no alias. */
  readonly externalName: string
  readonly ports: readonly {
    readonly name: string | undefined
    readonly port: number
    readonly protocol: 'TCP' | 'UDP' | 'SCTP'
    readonly appProtocol: string | undefined
    readonly targetPort: string | number | undefined
    readonly nodePort: number | undefined
  }[]
  readonly selector: Readonly<Record<string, string>>
  readonly trafficDistribution: 'PreferClose' | 'PreferSameZone' | 'PreferSameNode' | undefined
  readonly internalTrafficPolicy: 'Cluster' | 'Local' | undefined
  /** Empty for a headless Service. */
  readonly clusterIPs: readonly string[]
  /** Of its first address. */
  readonly family: string | undefined
  /** Addresses that lead to it from outside, by no doing of Kubernetes. */
  readonly externalIPs: readonly string[]
  /** Addresses of its load balancer. */
  readonly ingress: readonly string[]
  /** What it asks for and sidecars do not do. */
  readonly unheeded: readonly string[]
}

const annotations: readonly string[] = [exportToAnnotation, trafficDistributionAnnotation]

const serviceObject = z.object({
  metadata: z.object({
    namespace: z.string(),
    name: z.string(),
    creationTimestamp: z.string().optional(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  spec: z.object({
    type: z.string().default('ClusterIP'),
    externalName: z.string().default(''),
    ports: z
      .array(
        z.object({
          name: z.string().optional(),
          port: z.int(),
          protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP'),
          appProtocol: z.string().optional(),
          targetPort: z.union([z.int(), z.string()]).optional(),
          nodePort: z.int().optional(),
        }),
      )
      .default([]),
    selector: z.record(z.string(), z.string()).nullish(),
    clusterIP: z.string().default(''),
    clusterIPs: z.array(z.string()).default([]),
    ipFamilies: z.array(z.string()).default([]),
    externalIPs: z.array(z.string()).default([]),
    sessionAffinity: z.string().default('None'),
    internalTrafficPolicy: z.enum(['Cluster', 'Local']).optional().catch(undefined),
    trafficDistribution: z.enum(['PreferClose', 'PreferSameZone', 'PreferSameNode']).optional().catch(undefined),
  }),
  status: z
    .object({
      loadBalancer: z
        .object({
          ingress: z.array(z.object({ ip: z.string().optional(), hostname: z.string().optional() })).nullish(),
        })
        .prefault({}),
    })
    .prefault({}),
})

/** Kubernetes reference: Service v1 core. */
export const readService = readWith('Service', serviceObject, ({ metadata, spec, status }): KubeService => {
  const clusterIPs = [...new Set([spec.clusterIP, ...spec.clusterIPs])]
  return {
    metadata: {
      ...metadata,
      annotations: Object.fromEntries(
        Object.entries(metadata.annotations).filter(([name]) => annotations.includes(name)),
      ),
    },
    type: spec.type,
    externalName: spec.type === 'ExternalName' ? spec.externalName : '',
    ports: spec.ports.map(({ name, port, protocol, appProtocol, targetPort, nodePort }) => ({
      name,
      port,
      protocol,
      appProtocol,
      targetPort,
      nodePort,
    })),
    selector: spec.selector ?? {},
    trafficDistribution: spec.trafficDistribution,
    internalTrafficPolicy: spec.internalTrafficPolicy,
    clusterIPs: clusterIPs.filter((address) => address !== '' && address !== 'None'),
    family: spec.ipFamilies[0],
    externalIPs: spec.externalIPs,
    ingress: (status.loadBalancer.ingress ?? []).flatMap(({ ip, hostname }) => ip || hostname || []),
    unheeded: spec.sessionAffinity === 'None' ? [] : ['sessionAffinity'],
  }
})
