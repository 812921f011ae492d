import { z } from 'zod'
import type { ObjectMeta } from '../config-object.ts'
import { isFields } from '../is-fields.ts'
import { namespaceName, objectName } from '../names.ts'
import { closestName } from './schema/closest-name.ts'
import { isLabelKey, labels } from './schema/labels.ts'
import { checked } from './schema/message.ts'
import { toProblems } from './to-problems.ts'
import type { FoundProblem } from './to-problems.ts'

/** What Kubernetes' servers and kubectl write; it means nothing in another place. */
const serverFields: readonly string[] = [
  'creationTimestamp',
  'deletionGracePeriodSeconds',
  'deletionTimestamp',
  'finalizers',
  'generateName',
  'generation',
  'managedFields',
  'ownerReferences',
  'resourceVersion',
  'selfLink',
  'uid',
]
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'
/** Kubernetes' limit on all annotations of an object. */
const maxAnnotationCharacters = 262_144

const annotations = checked(z.record(z.string(), z.string()), ({ value, report }) => {
  for (const key of Object.keys(value)) if (!isLabelKey(key)) report('is not the name of an annotation', [key])
  const size = Object.entries(value).reduce((sum, [key, text]) => sum + key.length + text.length, 0)
  if (size > maxAnnotationCharacters)
    report(`all annotations together have more than ${maxAnnotationCharacters} characters`)
})

const metadata = z.object({
  name: objectName,
  namespace: namespaceName,
  labels: labels.nullish(),
  annotations: annotations.nullish(),
})

const withoutLastApplied = (given: unknown): unknown =>
  isFields(given) ? Object.fromEntries(Object.entries(given).filter(([key]) => key !== lastApplied)) : given

export interface NameDefaults {
  /** For objects that name no namespace. */
  readonly defaultNamespace: string
  /** For objects without a name, where those are allowed at all. */
  readonly defaultName?: string
}

const unknownField = (field: string): FoundProblem => {
  const meant = closestName(field, Object.keys(metadata.shape))
  return {
    code: 'unknown_field',
    severity: 'warning',
    path: ['metadata', field],
    message: `is not a field, and left out${meant === undefined ? '' : `: did you mean "${meant}"?`}`,
  }
}

/** What Kubernetes adds is dropped; other unknown fields get a warning. No metadata when there is an error among the problems. */
export const parseMetadata = (
  given: Readonly<Record<string, unknown>>,
  defaults: NameDefaults,
): { readonly metadata?: ObjectMeta; readonly problems: readonly FoundProblem[] } => {
  const known = [...Object.keys(metadata.shape), ...serverFields]
  const unknown = Object.keys(given).filter((field) => !known.includes(field))
  const parsed = metadata.safeParse(
    {
      ...given,
      name: given.name ?? defaults.defaultName,
      namespace: given.namespace ?? defaults.defaultNamespace,
      annotations: withoutLastApplied(given.annotations),
    },
    { reportInput: true },
  )
  const problems = [...(parsed.success ? [] : toProblems(parsed.error, ['metadata'])), ...unknown.map(unknownField)]
  if (!parsed.success) return { problems }
  const { name, namespace, labels: givenLabels, annotations: givenAnnotations } = parsed.data
  return {
    metadata: {
      name,
      namespace,
      ...(givenLabels && { labels: givenLabels }),
      ...(givenAnnotations && { annotations: givenAnnotations }),
    },
    problems,
  }
}
