import { z } from 'zod'
import { objectMeta, type ConfigObject } from '../config-object.ts'
import { toApiVersion, type KindDefinition } from './kind-definition.ts'

const refused = z.object({ metadata: objectMeta, spec: z.unknown() })

/** What counts instead of an object that was never right, so that nothing is open for it; undefined = nothing, as of most kinds. */
export const toClosedObject = (definition: KindDefinition, object: unknown): ConfigObject | undefined => {
  const { data } = refused.safeParse(object)
  if (!data || !definition.closed) return undefined
  const [version = ''] = definition.versions
  return {
    apiVersion: toApiVersion(definition, version),
    kind: definition.kind,
    metadata: data.metadata,
    spec: definition.closed(data.spec),
  }
}
