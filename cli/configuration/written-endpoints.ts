import { z } from 'zod'
import { toObjectName } from '#mesh/config/examine-object.ts'
import { service } from '#mesh/config/service.ts'
import type { ExaminedDocuments } from '#mesh/parse-documents.ts'
import type { Problem } from '#mesh/problem.ts'

const endpoints = z.object({ kind: z.literal('Endpoints'), metadata: z.object({ name: z.string() }) })
const endpointSlice = z.object({
  kind: z.literal('EndpointSlice'),
  metadata: z.object({ labels: z.object({ 'kubernetes.io/service-name': z.string() }) }),
})

/**
 * What is wrong, but for selectors that Services do without because their endpoints are written. Kubernetes: "Services without
 * selectors".
 */
export const withoutEndpointDoubts = (
  { problems, others }: Pick<ExaminedDocuments, 'problems' | 'others'>,
  namespace = 'default',
): readonly Problem[] => {
  const written = new Set(
    others.flatMap((value) => {
      const name = toServiceName(value)
      return name === undefined ? [] : `${toObjectName(value, namespace)?.namespace}/${name}`
    }),
  )
  return problems.filter(
    ({ object, path, severity }) =>
      !(
        object?.kind === service.kind &&
        path === 'spec.selector' &&
        severity === 'warning' &&
        written.has(`${object.namespace}/${object.name}`)
      ),
  )
}

/** Of the Service whose endpoints a manifest has; undefined when it has none. */
const toServiceName = (manifest: unknown): string | undefined => {
  const slice = endpointSlice.safeParse(manifest)
  if (slice.success) return slice.data.metadata.labels['kubernetes.io/service-name']
  return endpoints.safeParse(manifest).data?.metadata.name
}
