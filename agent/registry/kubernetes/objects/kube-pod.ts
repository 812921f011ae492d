import { z } from 'zod'
import type { KnownPod } from '#agent/registry/kubernetes/pod-directory.ts'
import { injectionStatusAnnotation } from '#mesh/kubernetes/conventions.ts'
import { endpointHealth } from '#mesh/service.ts'
import { readWith } from './read-with.ts'

/** What is used of a pod that has not ended. */
export interface KubePod extends KnownPod {
  /** TCP ports that its containers name. */
  readonly ports: Readonly<Record<string, number>>
  readonly health: z.infer<typeof endpointHealth>
}

const container = z.object({
  ports: z
    .array(z.object({ name: z.string().optional(), containerPort: z.int(), protocol: z.string().default('TCP') }))
    .default([]),
})

const podObject = z.object({
  metadata: z.object({
    namespace: z.string(),
    name: z.string(),
    uid: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.object({ [injectionStatusAnnotation]: z.string().optional() }).default({}),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.object({
    serviceAccountName: z.string().default(''),
    nodeName: z.string().default(''),
    containers: z.array(container),
    initContainers: z.array(container).default([]),
  }),
  status: z
    .object({
      phase: z.string().default(''),
      podIP: z.string().default(''),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
    })
    .prefault({}),
})

const hasEnded = (phase: string): boolean => phase === 'Succeeded' || phase === 'Failed'

/** Kubernetes reference: Pod v1 core. */
export const readPod = readWith('Pod', podObject, ({ metadata, spec, status }): KubePod | null => {
  if (hasEnded(status.phase)) return null
  const isReady = status.conditions.some((condition) => condition.type === 'Ready' && condition.status === 'True')
  const ports = [...spec.initContainers, ...spec.containers].flatMap((each) => each.ports)
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    serviceAccount: spec.serviceAccountName,
    labels: metadata.labels,
    ip: status.podIP,
    node: spec.nodeName,
    injected: metadata.annotations[injectionStatusAnnotation] !== undefined,
    ports: Object.fromEntries(
      ports.flatMap(({ name, containerPort, protocol }) =>
        name !== undefined && protocol === 'TCP' ? [[name, containerPort] as const] : [],
      ),
    ),
    health: metadata.deletionTimestamp !== undefined ? 'draining' : isReady ? 'healthy' : 'unhealthy',
  }
})
