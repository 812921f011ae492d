import { z } from 'zod'
import { toProblems } from '../config/to-problems.ts'
import type { FoundProblem } from '../config/to-problems.ts'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'

/** Of Kubernetes' objects only what injection reads is typed; all the rest is carried through as it is. */

const texts = z.record(z.string(), z.string())

const portReference = z.union([z.int().min(1).max(65_535), z.string()])

const httpGet = z.looseObject({
  port: portReference,
  path: z.string().nullish(),
  host: z.string().nullish(),
  scheme: z.string().nullish(),
})
/** A probe, or a hook of a container's lifecycle. */
const probe = z.looseObject({
  httpGet: httpGet.nullish(),
  tcpSocket: z.looseObject({ port: portReference, host: z.string().nullish() }).nullish(),
  grpc: z.looseObject({ port: z.int().min(1).max(65_535), service: z.string().nullish() }).nullish(),
  timeoutSeconds: z.int().nullish(),
  periodSeconds: z.int().nullish(),
})
export type Probe = z.infer<typeof probe>

const securityContext = z.looseObject({
  runAsUser: z.int().nullish(),
  /** Of a pod. */
  sysctls: z.array(z.looseObject({ name: z.string() })).nullish(),
})
const quantity = z.union([z.string(), z.number()])

const container = z.looseObject({
  name: z.string(),
  ports: z.array(z.looseObject({ name: z.string().nullish(), containerPort: z.int() })).nullish(),
  readinessProbe: probe.nullish(),
  livenessProbe: probe.nullish(),
  startupProbe: probe.nullish(),
  lifecycle: z.looseObject({ preStop: probe.nullish(), postStart: probe.nullish() }).nullish(),
  securityContext: securityContext.nullish(),
  resources: z
    .object({ limits: z.object({ cpu: quantity.optional() }).loose().readonly().nullish() })
    .loose()
    .nullish(),
})
export type Container = z.infer<typeof container>

const pod = z.looseObject({
  metadata: z
    .looseObject({
      name: z.string().nullish(),
      generateName: z.string().nullish(),
      labels: texts.nullish(),
      annotations: texts.nullish(),
    })
    .nullish(),
  spec: z.looseObject({
    hostNetwork: z.boolean().nullish(),
    containers: z.array(container),
    initContainers: z.array(container).nullish(),
    volumes: z.array(z.looseObject({ name: z.string() })).nullish(),
    securityContext: securityContext.nullish(),
    terminationGracePeriodSeconds: z.int().nullish(),
  }),
})
/** A pod, or the template of one. */
export type Pod = z.infer<typeof pod>

const isPod = (value: unknown): value is Pod => pod.safeParse(value).success

/** The value itself: what a schema gives back has its keys in another order, and people read what we print. */
export const parsePod = (value: unknown): Result<Pod, readonly FoundProblem[]> => {
  if (isPod(value)) return ok(value)
  const { error } = pod.safeParse(value, { reportInput: true })
  return err(error ? toProblems(error, []) : [])
}

/** The container that kubectl means when none is named. */
export const defaultContainerAnnotation = 'kubectl.kubernetes.io/default-container'

export const allContainers = ({ spec }: Pod): readonly Container[] => [
  ...(spec.initContainers ?? []),
  ...spec.containers,
]
