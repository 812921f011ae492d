import { z } from 'zod'
import type { ObjectMeta } from '../config-object.ts'
import { namespaceName, objectName } from '../names.ts'
import { err, ok } from '../result.ts'
import type { Result } from '../result.ts'
import { closestName } from './schema/closest-name.ts'
import { isLabelKey, labels } from './schema/labels.ts'
import { checked } from './schema/message.ts'
import { toProblems } from './to-problems.ts'
import type { FoundProblem } from './to-problems.ts'

/** What Kubernetes' servers and kubectl write; it means nothing in another place. */
const serverFields: readonly string[] = [
  'creationTimestamp', 'deletionGracePeriodSeconds', 'deletionTimestamp', 'finalizers', 'generateName', 'generation',
  'managedFields', 'ownerReferences', 'resourceVersion', 'selfLink', 'uid',
]
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'
/** Kubernetes' limit on all annotations of an object. */
const maxAnnotationCharacters = 262_144

const annotations = checked(z.record(z.string(), z.string()), ({ value, report }) => {
  for (const key of Object.keys(value)) if (!isLabelKey(key)) report('is not the name of an annotation', [key])
  const size = Object.entries(value).reduce((sum, [key, text]) => sum + key.length + text.length, 0)
  if (size > maxAnnotationCharacters) report(`all annotations together have more than ${maxAnnotationCharacters} characters`)
})

const metadata = z.object({
  name: objectName,
  namespace: namespaceName,
  labels: labels.nullish(),
  annotations: annotations.nullish(),
})

const withoutLastApplied = (given: unknown): unknown =>
  typeof given === 'object' && given !== null && !Array.isArray(given)
    ? Object.fromEntries(Object.entries(given).filter(([key]) => key !== lastApplied))
    : given

/** Namespaces that are left out are `defaultNamespace`; what Kubernetes adds is dropped; other unknown fields get a warning. */
export const parseMetadata = (
  given: Readonly<Record<string, unknown>>,
  defaultNamespace: string,
): Result<{ metadata: ObjectMeta; warnings: readonly FoundProblem[] }, readonly FoundProblem[]> => {
  const known = Object.keys(metadata.shape)
  const warnings = Object.keys(given)
    .filter((field) => !known.includes(field) && !serverFields.includes(field))
    .map((field): FoundProblem => {
      const meant = closestName(field, known)
      return {
        code: 'unknown_field',
        severity: 'warning',
        path: ['metadata', field],
        message: meant === undefined ? 'is not a field, and left out' : `is not a field, and left out: did you mean "${meant}"?`,
      }
    })
  const parsed = metadata.safeParse(
    { ...given, namespace: given.namespace ?? defaultNamespace, annotations: withoutLastApplied(given.annotations) },
    { reportInput: true },
  )
  if (!parsed.success) return err([...toProblems(parsed.error, ['metadata']), ...warnings])
  const { name, namespace } = parsed.data
  return ok({
    metadata: {
      name,
      namespace,
      ...(parsed.data.labels && { labels: parsed.data.labels }),
      ...(parsed.data.annotations && { annotations: parsed.data.annotations }),
    },
    warnings,
  })
}
