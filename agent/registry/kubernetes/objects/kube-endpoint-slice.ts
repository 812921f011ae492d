import { z } from 'zod'
import type { Endpoint } from '#mesh/service.ts'
import { readWith } from './read-with.ts'

export interface KubeEndpoint {
  readonly address: string
  readonly health: Endpoint['health']
  /** "" when it is not said. */
  readonly node: string
  /** The pod that it is; undefined = it is something else. */
  readonly pod: { readonly name: string; readonly uid: string } | undefined
}

/** What is used of an EndpointSlice of a Service. */
export interface KubeEndpointSlice {
  readonly namespace: string
  readonly service: string
  readonly family: 'IPv4' | 'IPv6'
  /** Name of the service's port → number at the endpoints. */
  readonly ports: Readonly<Record<string, number>>
  readonly endpoints: readonly KubeEndpoint[]
}

const serviceNameLabel = 'kubernetes.io/service-name'

const sliceObject = z.object({
  metadata: z.object({
    namespace: z.string(),
    labels: z.object({ [serviceNameLabel]: z.string().optional() }).default({}),
  }),
  addressType: z.string(),
  ports: z
    .array(
      z.object({
        name: z.string().nullish(),
        port: z.int().nullish(),
        protocol: z.string().nullish(),
      }),
    )
    .nullish(),
  endpoints: z
    .array(
      z.object({
        addresses: z.array(z.string()).min(1),
        conditions: z.object({ ready: z.boolean().nullish(), terminating: z.boolean().nullish() }).nullish(),
        nodeName: z.string().nullish(),
        targetRef: z
          .object({ kind: z.string().optional(), name: z.string().default(''), uid: z.string().default('') })
          .nullish(),
      }),
    )
    .nullish(),
})

/**
 * As in Istio: what is ready is healthy (`publishNotReadyAddresses` has made it so), what is not and ends gets nothing new, and all
 * else is unhealthy. Kubernetes reference: EndpointSlice v1 discovery.k8s.io, EndpointConditions.
 */
const toHealth = (
  conditions: { ready?: boolean | null | undefined; terminating?: boolean | null | undefined } | null | undefined,
): Endpoint['health'] => {
  if (conditions?.ready !== false) return 'healthy'
  return conditions.terminating ? 'draining' : 'unhealthy'
}

/** Slices of no Service do not count, nor those of host names, which kube-proxy and Istio pass over too. */
export const readEndpointSlice = readWith(
  'EndpointSlice',
  sliceObject,
  ({ metadata, addressType, ports, endpoints }): KubeEndpointSlice | null => {
    const service = metadata.labels[serviceNameLabel]
    if (service === undefined || (addressType !== 'IPv4' && addressType !== 'IPv6')) return null
    return {
      namespace: metadata.namespace,
      service,
      family: addressType,
      ports: Object.fromEntries(
        (ports ?? []).flatMap(({ name, port, protocol }) =>
          port && (protocol ?? 'TCP') === 'TCP' ? [[name ?? '', port] as const] : [],
        ),
      ),
      endpoints: (endpoints ?? []).map(({ addresses: [address = ''], conditions, nodeName, targetRef }) => ({
        address,
        health: toHealth(conditions),
        node: nodeName ?? '',
        pod: targetRef?.kind === 'Pod' ? { name: targetRef.name, uid: targetRef.uid } : undefined,
      })),
    }
  },
)
