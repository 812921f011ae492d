import type { ShownProblem } from '#api/schemas/shown-problem.ts'
import type { ConfigurationText } from './configuration-files.ts'

/** The plane knows documents of the stream, and no files: only here can be said which one has the same object. */
export const nameFilesOfDuplicates = async (
  problems: readonly ShownProblem[],
  configuration: ConfigurationText,
  namespace: string | undefined,
): Promise<readonly ShownProblem[]> => {
  if (!problems.some(isDuplicate)) return problems
  // Reading YAML takes longer to load than most commands take.
  const { examineConfiguration } = await import('./examine-configuration.ts')
  const named = examineConfiguration(configuration, namespace).problems.filter(isDuplicate)
  return problems.map((each) => (isDuplicate(each) && named.find(({ line }) => line === each.line)) || each)
}

const isDuplicate = ({ code }: ShownProblem): boolean => code === 'duplicate'
