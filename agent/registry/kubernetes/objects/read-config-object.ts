import { z } from 'zod'
import type { ObjectReading } from '#agent/registry/kubernetes/resource-store.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import { toApiVersion, type KindDefinition } from '#mesh/config/kind-definition.ts'
import { parseObject } from '#mesh/config/parse-object.ts'
import { toClosedObject } from '#mesh/config/to-closed-object.ts'

const dated = z.object({ metadata: z.object({ creationTimestamp: z.string() }) })

/** A reader of the cluster's own objects of one kind. One that became wrong goes on saying what it said while it was right. */
export const readConfigObject =
  (definition: KindDefinition) =>
  (object: unknown): ObjectReading<ConfigObject> => {
    // One version for all, so that an object is the same in whichever a server has it.
    const apiVersion = toApiVersion(definition, definition.versions[0] ?? '')
    const named = typeof object === 'object' ? { ...object, kind: definition.kind, apiVersion } : object
    const parsed = parseObject(named, { defaultNamespace: '' })
    if (!parsed.ok) {
      const instead = toClosedObject(definition, named)
      return { value: undefined, ...(instead && { instead }), problems: parsed.error }
    }
    const { object: accepted, warnings } = parsed.value
    const { data } = dated.safeParse(object)
    const metadata = data ? { ...accepted.metadata, ...data.metadata } : accepted.metadata
    return { value: { ...accepted, metadata }, problems: warnings }
  }
