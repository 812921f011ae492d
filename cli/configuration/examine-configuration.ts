import { examineDocuments, type ExaminedDocuments } from '#mesh/parse-documents.ts'
import { CliError } from '../cli-error.ts'
import type { ConfigurationText } from './configuration-files.ts'
import { toOfflineOptions } from './parse-options.ts'
import { withoutEndpointDoubts } from './written-endpoints.ts'

/**
 * Reads the objects of a stream to look at them, not to apply them: those that are right count though others are not, names may be missing, and what
 * is no configuration is passed over. Throws CliError `usage` when it is too large to be read.
 */
export const examineConfiguration = (
  configuration: ConfigurationText,
  namespace: string | undefined,
): ExaminedDocuments => {
  const examined = examineForCompiler(configuration, namespace)
  return { ...examined, problems: withoutEndpointDoubts(examined, namespace) }
}

/** The same for a compiler that takes no endpoints from manifests: a service that has no others is told to have none. */
export const examineForCompiler = (
  { text, findPlace }: ConfigurationText,
  namespace: string | undefined,
): ExaminedDocuments => {
  const examined = examineDocuments(text, {
    ...toOfflineOptions(namespace),
    toPlace: findPlace,
    unnamed: 'allowed',
    others: 'skip',
  })
  const limit = examined.problems.find(({ code, object }) => code === 'too_large' && object === undefined)
  if (limit === undefined || examined.count > 0) return examined
  const where = limit.line === undefined ? undefined : findPlace(limit.line)
  throw new CliError('usage', `${where ?? 'The text'} ${limit.message}: it is not read`, {
    remedy: 'Give fewer files at once.',
  })
}
