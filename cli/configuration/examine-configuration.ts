import { examineDocuments, type ExaminedDocuments } from '#mesh/parse-documents.ts'
import type { ConfigurationText } from './configuration-files.ts'
import { toParseOptions } from './parse-options.ts'

/**
 * Reads the objects of a stream to look at them, not to apply them: those that are right count though others are not, names may be missing, and what
 * is no configuration is passed over.
 */
export const examineConfiguration = (
  { text, findPlace }: ConfigurationText,
  namespace: string | undefined,
): ExaminedDocuments =>
  examineDocuments(text, { ...toParseOptions(namespace), toPlace: findPlace, unnamed: 'allowed', others: 'skip' })
