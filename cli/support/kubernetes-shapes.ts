import { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { findCertificates } from '../find-certificates.ts'

/** What a bundle holds of Kubernetes objects. A field that is not named here is not taken: no env, no annotation, no volume. */
const metadata = z.object({
  name: z.string(),
  namespace: z.string().optional(),
  creationTimestamp: z.string().optional(),
  generation: z.number().optional(),
  labels: z.record(z.string(), z.string()).optional(),
})
const withoutLabels = metadata.omit({ labels: true })
const conditions = z
  .array(
    z.object({
      type: z.string(),
      status: z.string(),
      reason: z.string().optional(),
      message: z.string().optional(),
      lastTransitionTime: z.string().nullish(),
    }),
  )
  .optional()

export const deploymentShape = z.object({
  metadata,
  spec: z.object({ replicas: z.number().optional() }),
  status: z.object({
    observedGeneration: z.number().optional(),
    replicas: z.number().default(0),
    readyReplicas: z.number().default(0),
    updatedReplicas: z.number().default(0),
    availableReplicas: z.number().default(0),
    conditions,
  }),
})

const ended = z
  .object({
    reason: z.string().optional(),
    exitCode: z.number(),
    startedAt: z.string().nullish(),
    finishedAt: z.string().nullish(),
  })
  .optional()
const containerState = z
  .object({
    running: z.object({ startedAt: z.string().nullish() }).optional(),
    waiting: z.object({ reason: z.string().optional(), message: z.string().optional() }).optional(),
    terminated: ended,
  })
  .optional()
const containerStatus = z.object({
  name: z.string(),
  ready: z.boolean(),
  restartCount: z.number(),
  image: z.string(),
  state: containerState,
  lastState: containerState,
})
const podStatus = z
  .object({
    phase: z.string().optional(),
    reason: z.string().optional(),
    podIP: z.string().optional(),
    startTime: z.string().nullish(),
    conditions,
    initContainerStatuses: z.array(containerStatus).optional(),
    containerStatuses: z.array(containerStatus).default([]),
  })
  .default({ containerStatuses: [] })

/** A pod of ours. */
export const podShape = z.object({
  metadata,
  spec: z.object({
    nodeName: z.string().optional(),
    containers: z.array(
      z.object({ name: z.string(), image: z.string(), resources: z.record(z.string(), z.unknown()).optional() }),
    ),
  }),
  status: podStatus,
})

/** Somebody else's pod with a proxy: nothing of it but that. */
export const injectedPodShape = z.object({
  metadata: withoutLabels,
  status: podStatus.transform(({ phase, initContainerStatuses = [], containerStatuses }) => ({
    phase,
    proxy: [...initContainerStatuses, ...containerStatuses].filter(({ name }) => name.startsWith('istio-')),
  })),
})

export const eventShape = z.object({
  type: z.string().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  count: z.number().nullish(),
  firstTimestamp: z.string().nullish(),
  lastTimestamp: z.string().nullish(),
  eventTime: z.string().nullish(),
  involvedObject: z.object({ kind: z.string().optional(), name: z.string().optional() }).optional(),
})

export const leaseShape = z.object({
  metadata: withoutLabels,
  spec: z.object({
    holderIdentity: z.string().optional(),
    leaseDurationSeconds: z.number().optional(),
    leaseTransitions: z.number().optional(),
    acquireTime: z.string().nullish(),
    renewTime: z.string().nullish(),
  }),
})

export const serviceShape = z.object({
  metadata,
  spec: z.object({
    type: z.string().optional(),
    clusterIP: z.string().optional(),
    ports: z.array(z.looseObject({ port: z.number() })).optional(),
    selector: z.record(z.string(), z.string()).optional(),
  }),
  status: z.object({ loadBalancer: z.record(z.string(), z.unknown()).optional() }).optional(),
})

export const budgetShape = z.object({
  metadata: withoutLabels,
  status: z.object({
    disruptionsAllowed: z.number().optional(),
    currentHealthy: z.number().optional(),
    desiredHealthy: z.number().optional(),
    expectedPods: z.number().optional(),
  }),
})

/** What the API server calls, and until when it believes whom: the authorities are public, and left out all the same. */
export const webhookShape = z.object({
  metadata: withoutLabels,
  webhooks: z
    .array(
      z.object({
        name: z.string(),
        failurePolicy: z.string().optional(),
        timeoutSeconds: z.number().optional(),
        namespaceSelector: z.record(z.string(), z.unknown()).optional(),
        objectSelector: z.record(z.string(), z.unknown()).optional(),
        clientConfig: z
          .object({ service: z.record(z.string(), z.unknown()).optional(), caBundle: z.string().default('') })
          .transform(({ service, caBundle }) => ({ service, authoritiesUntil: toEnds(caBundle) })),
      }),
    )
    .default([]),
})

const toEnds = (caBundle: string): readonly string[] => {
  const pems = findCertificates(Buffer.from(caBundle, 'base64').toString())
  return pems.map((pem) => {
    try {
      return new X509Certificate(pem).validToDate.toISOString()
    } catch {
      return 'not a certificate'
    }
  })
}
