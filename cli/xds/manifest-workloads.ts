import { z } from 'zod'
import { isFields } from '#mesh/is-fields.ts'
import { podTemplatePaths } from '#mesh/kubernetes/pod-template-paths.ts'
import type { NetworkName } from '#mesh/names.ts'
import type { Workload } from '#mesh/workload.ts'

const metadata = z.object({
  name: z.string().nullish(),
  namespace: z.string().nullish(),
  labels: z.record(z.string(), z.string()).nullish(),
})
const container = z.object({
  ports: z
    .array(z.object({ name: z.string().nullish(), containerPort: z.int(), protocol: z.string().nullish() }))
    .nullish(),
})
const manifest = z.object({ apiVersion: z.string(), kind: z.string(), metadata })
const template = z.object({
  metadata: metadata.nullish(),
  spec: z.object({ serviceAccountName: z.string().nullish(), containers: z.array(container).nullish() }).nullish(),
})

/**
 * The pods of Kubernetes manifests (Deployments, Pods, Rollouts …), one for each, as if they ran with a sidecar: named after the object, with an
 * address that is made up. What is no such manifest is passed over.
 */
export const toManifestWorkloads = (
  manifests: readonly unknown[],
  { namespace, network }: { readonly namespace: string; readonly network: NetworkName },
): readonly Workload[] =>
  manifests
    .flatMap((value) => readTemplate(value) ?? [])
    .map(({ owner, pod }, index) => ({
      namespace: owner.metadata.namespace ?? namespace,
      name: owner.metadata.name ?? 'unnamed',
      address: toPodAddress(index),
      labels: pod.metadata?.labels ?? {},
      serviceAccount: pod.spec?.serviceAccountName || 'default',
      network,
      locality: '',
      ports: Object.fromEntries(
        (pod.spec?.containers ?? [])
          .flatMap(({ ports }) => ports ?? [])
          .flatMap(({ name, containerPort, protocol }) =>
            name && (protocol ?? 'TCP') === 'TCP' ? [[name, containerPort] as const] : [],
          ),
      ),
      origin: 'pod',
      capture: 'transparent',
    }))

/** The n-th address of 10.244.0.0/16, where Kubernetes' networks commonly have their pods. */
export const toPodAddress = (index: number): string => toAddress('10.244', index + 1)

/** The n-th address of 10.96.0.0/16, where Kubernetes commonly has its services. */
export const toServiceAddress = (index: number): string => toAddress('10.96', index + 1)

const toAddress = (prefix: string, index: number): string => `${prefix}.${(index >> 8) & 0xff}.${index & 0xff}`

const readTemplate = (value: unknown) => {
  const owner = manifest.safeParse(value)
  if (!owner.success) return undefined
  const known = podTemplatePaths[`${owner.data.apiVersion}/${owner.data.kind}`]
  const path = known ?? ['spec', 'template']
  const at = path.reduce<unknown>((inner, field) => (isFields(inner) ? inner[field] : undefined), value)
  const pod = template.safeParse(at)
  // Of kinds that others have made, such as a Rollout, some are templates of something else, which has no spec.
  const isPod = pod.success && (known !== undefined || (pod.data.spec && pod.data.metadata?.labels))
  return isPod ? { owner: owner.data, pod: pod.data } : undefined
}
