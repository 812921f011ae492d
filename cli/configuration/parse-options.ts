import { MAX_CONFIGURATION_BODY_BYTES, MAX_OBJECTS_PER_APPLY } from '#api/schemas/configuration.ts'
import type { DocumentOptions } from '#mesh/parse-documents.ts'

/** How the plane would read a stream. */
export const toParseOptions = (namespace: string | undefined): DocumentOptions => ({
  defaultNamespace: namespace ?? 'default',
  maxCharacters: MAX_CONFIGURATION_BODY_BYTES,
  maxObjects: MAX_OBJECTS_PER_APPLY,
})
