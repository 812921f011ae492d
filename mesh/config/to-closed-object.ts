import { z } from 'zod'
import type { ConfigObject } from '../config-object.ts'
import { namespaceName, objectName } from '../names.ts'
import { toApiVersion, type KindDefinition } from './kind-definition.ts'

/** Of which no value keeps the others from being read. */
const someTexts = z
  .record(z.string(), z.string().optional().catch(undefined))
  .transform((texts) =>
    Object.fromEntries(Object.entries(texts).flatMap(([key, text]) => (text === undefined ? [] : [[key, text]]))),
  )
  .optional()
  .catch(undefined)

const refused = z.object({
  metadata: z.object({
    /** What has none can not be told from others that have none: no name of an object. */
    name: objectName.catch('(without a name)'),
    namespace: namespaceName,
    labels: someTexts,
    annotations: someTexts,
    creationTimestamp: z.string().optional().catch(undefined),
  }),
  spec: z.unknown().optional(),
})

/**
 * What counts instead of an object that was never right, so that nothing is open for it; undefined = nothing, as of most kinds. An object that has no name of
 * its own is closed for all of its namespace: several such are one.
 */
export const toClosedObject = (definition: KindDefinition, object: unknown): ConfigObject | undefined => {
  const { data } = refused.safeParse(object)
  if (!data || !definition.closed) return undefined
  const { name, namespace, labels, annotations = {}, creationTimestamp } = data.metadata
  const misplaced = definition.misplacedAnnotations?.(data.spec) ?? []
  const kept = Object.entries(annotations).filter(([key]) => !misplaced.includes(key))
  const [version = ''] = definition.versions
  return {
    apiVersion: toApiVersion(definition, version),
    kind: definition.kind,
    metadata: {
      name,
      namespace,
      ...(labels && { labels }),
      ...(kept.length > 0 && { annotations: Object.fromEntries(kept) }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
    },
    spec: definition.closed(objectName.safeParse(name).success ? data.spec : undefined),
  }
}
