import { MAX_CONFIGURATION_BODY_BYTES, MAX_OBJECTS_PER_APPLY } from '#api/schemas/configuration.ts'
import { parseDocuments } from '#mesh/parse-documents.ts'
import type { ParsedDocuments } from '#mesh/parse-documents.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { createPaint } from '../output/colour.ts'
import { toProblemText } from '../output/problem-text.ts'
import type { ConfigurationText } from './configuration-files.ts'

/** Reads the objects of a stream here, as the plane would; throws CliError `invalid` with all that is wrong. */
export const parseConfiguration = (
  context: CliContext,
  { text, findPlace }: ConfigurationText,
  namespace: string | undefined,
): ParsedDocuments => {
  const parsed = parseDocuments(text, {
    defaultNamespace: namespace ?? 'default',
    maxCharacters: MAX_CONFIGURATION_BODY_BYTES,
    maxObjects: MAX_OBJECTS_PER_APPLY,
  })
  if (parsed.ok) return parsed.value
  const paint = createPaint(context.io.stderr, context.io.env)
  const lines = parsed.error.map((problem) => `  ${toProblemText(problem, paint, findPlace)}`)
  throw new CliError('invalid', ['The configuration has errors', ...lines].join('\n'))
}
