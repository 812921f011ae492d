import { MAX_CONFIGURATION_BODY_BYTES, MAX_OBJECTS_PER_APPLY } from '#api/schemas/configuration.ts'
import type { DocumentOptions } from '#mesh/parse-documents.ts'

const toDefaultNamespace = (namespace = 'default') => ({ defaultNamespace: namespace })

/** How the plane would read a stream. */
export const toApplyOptions = (namespace: string | undefined): DocumentOptions => ({
  ...toDefaultNamespace(namespace),
  maxCharacters: MAX_CONFIGURATION_BODY_BYTES,
  maxObjects: MAX_OBJECTS_PER_APPLY,
})

/** Read as YAML an object takes some 45 kB of memory: beyond it Node could be out of it. */
const maxObjectsHere = 50_000

/** How a stream is read that stays here: its files have limits of their own, and all that is wrong is told. */
export const toOfflineOptions = (namespace: string | undefined): DocumentOptions => ({
  ...toDefaultNamespace(namespace),
  maxCharacters: Number.POSITIVE_INFINITY,
  maxObjects: maxObjectsHere,
  maxProblems: Number.POSITIVE_INFINITY,
})
