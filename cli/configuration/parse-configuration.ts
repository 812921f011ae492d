import { parseDocuments } from '#mesh/parse-documents.ts'
import type { ParsedDocuments } from '#mesh/parse-documents.ts'
import { CliError } from '../cli-error.ts'
import type { ConfigurationText } from './configuration-files.ts'
import { toApplyOptions } from './parse-options.ts'
import { placeProblems } from './place-problems.ts'

/** Reads the objects of a stream here, as the plane would; throws CliError `invalid` with all that is wrong. */
export const parseConfiguration = async (
  configuration: ConfigurationText,
  namespace: string | undefined,
): Promise<ParsedDocuments> => {
  const parsed = parseDocuments(configuration.text, {
    ...toApplyOptions(namespace),
    toPlace: configuration.findPlace,
  })
  if (parsed.ok) return parsed.value
  throw new CliError('invalid', 'The configuration has errors', {
    problems: await placeProblems(parsed.error, configuration, namespace),
  })
}
