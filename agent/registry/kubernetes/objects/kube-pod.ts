import { z } from 'zod'
import type { KnownPod } from '#agent/registry/kubernetes/pod-directory.ts'
import { hasProxyOfAtoll } from '#mesh/injection/has-proxy-of-atoll.ts'
import { parseProbeRoutes, probeRoutesAnnotation, type ProbeRoutes } from '#mesh/injection/probe-routes.ts'
import { parseScrapeTarget, scrapeTargetAnnotation, type ScrapeTarget } from '#mesh/injection/scrape-target.ts'
import type { FoundProblem } from '#mesh/config/to-problems.ts'
import {
  gatewayTemplate,
  injectionStatusAnnotation,
  injectionTemplatesAnnotation,
  proxyContainer,
} from '#mesh/kubernetes/conventions.ts'
import { endpointHealth } from '#mesh/service.ts'
import { readWith } from './read-with.ts'
import { toControllerName } from './to-controller-name.ts'

/** What is used of a pod that has not ended. */
export interface KubePod extends KnownPod {
  /** Name of its Deployment, or of what else made it. Absent = nothing did. */
  readonly controller?: string
  /** TCP ports that its containers name. */
  readonly ports: Readonly<Record<string, number>>
  readonly health: z.infer<typeof endpointHealth>
  /** Absent also when its annotation is no table of probes. */
  readonly probeRoutes?: ProbeRoutes
  /** Absent also when its annotation names none. */
  readonly scrapeTarget?: ScrapeTarget
}

const container = z.object({
  ports: z
    .array(z.object({ name: z.string().optional(), containerPort: z.int(), protocol: z.string().default('TCP') }))
    .default([]),
})

const containerStatus = z.object({ name: z.string(), started: z.boolean().nullish() })

const podObject = z.object({
  metadata: z.object({
    namespace: z.string(),
    name: z.string(),
    uid: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    ownerReferences: z
      .array(z.object({ kind: z.string(), name: z.string(), controller: z.boolean().optional() }))
      .default([]),
    annotations: z
      .object({
        [injectionStatusAnnotation]: z.string().optional(),
        [injectionTemplatesAnnotation]: z.string().default(''),
        [probeRoutesAnnotation]: z.string().transform(parseProbeRoutes).optional(),
        [scrapeTargetAnnotation]: z.string().transform(parseScrapeTarget).optional(),
      })
      .prefault({}),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z.object({
    serviceAccountName: z.string().default(''),
    nodeName: z.string().default(''),
    containers: z.array(container),
    initContainers: z.array(container).default([]),
    volumes: z.array(z.object({ configMap: z.object({ name: z.string().optional() }).optional() })).default([]),
  }),
  status: z
    .object({
      phase: z.string().default(''),
      podIP: z.string().default(''),
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
      containerStatuses: z.array(containerStatus).default([]),
      initContainerStatuses: z.array(containerStatus).default([]),
    })
    .prefault({}),
})

const hasEnded = (phase: string): boolean => phase === 'Succeeded' || phase === 'Failed'

const hasStartedProxy = ({ metadata, status }: z.output<typeof podObject>): boolean =>
  metadata.deletionTimestamp === undefined &&
  [...status.initContainerStatuses, ...status.containerStatuses].some(
    ({ name, started }) => name === proxyContainer && started === true,
  )

const isGateway = ({ metadata }: z.output<typeof podObject>): boolean =>
  metadata.annotations[injectionTemplatesAnnotation].split(',').some((name) => name.trim() === gatewayTemplate)

const toPod = (pod: z.output<typeof podObject>): KubePod | null => {
  const { metadata, spec, status } = pod
  if (hasEnded(status.phase)) return null
  const isReady = status.conditions.some((condition) => condition.type === 'Ready' && condition.status === 'True')
  const ports = [...spec.initContainers, ...spec.containers].flatMap((each) => each.ports)
  const routes = metadata.annotations[probeRoutesAnnotation]
  const scraped = metadata.annotations[scrapeTargetAnnotation]
  const hasProxy = hasProxyOfAtoll(spec.volumes)
  const isGatewayPod = hasProxy && isGateway(pod)
  const controller = toControllerName(metadata.ownerReferences, metadata.labels)
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    ...(controller !== undefined && { controller }),
    uid: metadata.uid,
    serviceAccount: spec.serviceAccountName,
    labels: metadata.labels,
    ip: status.podIP,
    node: spec.nodeName,
    injected: hasProxy && !isGatewayPod && metadata.annotations[injectionStatusAnnotation] !== undefined,
    proxyStarted: hasProxy && hasStartedProxy(pod),
    ...(isGatewayPod && { isGateway: true }),
    ports: Object.fromEntries(
      ports.flatMap(({ name, containerPort, protocol }) =>
        name !== undefined && protocol === 'TCP' ? [[name, containerPort] as const] : [],
      ),
    ),
    health: metadata.deletionTimestamp !== undefined ? 'draining' : isReady ? 'healthy' : 'unhealthy',
    ...(routes?.ok && { probeRoutes: routes.value }),
    ...(scraped?.ok && { scrapeTarget: scraped.value }),
  }
}

const findFaults = ({ metadata }: z.output<typeof podObject>): readonly FoundProblem[] => {
  const consequences = {
    [probeRoutesAnnotation]: 'probes that come to its proxy fail',
    [scrapeTargetAnnotation]: 'its proxy has no metrics to answer with',
  } as const
  return ([probeRoutesAnnotation, scrapeTargetAnnotation] as const).flatMap((name): FoundProblem[] => {
    const read = metadata.annotations[name]
    if (!read || read.ok) return []
    const message = `${read.error}: ${consequences[name]}`
    return [{ code: 'invalid', severity: 'error', path: ['metadata', 'annotations', name], message }]
  })
}

/** Kubernetes reference: Pod v1 core. */
export const readPod = readWith('Pod', podObject, toPod, findFaults)
