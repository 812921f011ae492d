import { objectKeyOf, toObjectKey, type ConfigObject } from '../config-object.ts'
import type { Problem } from '../problem.ts'

/** Istio reference: annotations. Its codes, "IST0101,IST0108", are none of Atoll's; "*" = nothing is told of the object. */
export const suppressAnnotation = 'galley.istio.io/analyze-suppress'

/** Without warnings of objects that want none. Errors stay: with them the object would not be taken. */
export const withoutSuppressed = <Told extends Pick<Problem, 'object'> & { readonly severity: string }>(
  problems: readonly Told[],
  objects: readonly ConfigObject[],
): readonly Told[] => {
  const silent = new Set(objects.filter(isSilent).map(objectKeyOf))
  return problems.filter(
    ({ severity, object }) =>
      severity === 'error' || !object || !silent.has(toObjectKey(object.kind, object.namespace, object.name)),
  )
}

const isSilent = ({ metadata: { annotations = {} } }: ConfigObject): boolean =>
  (annotations[suppressAnnotation] ?? '')
    .split(',')
    .map((code) => code.trim())
    .includes('*')
