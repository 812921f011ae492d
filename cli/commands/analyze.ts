import type { Command } from 'commander'
import { analyze } from '#mesh/analysis/analyze.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { readConfiguration } from '../configuration/configuration-files.ts'
import { parseConfiguration } from '../configuration/parse-configuration.ts'
import { addExamples } from '../examples.ts'
import { toProblemText } from '../output/problem-text.ts'

interface AnalyzeOptions {
  readonly file: readonly string[]
  readonly namespace?: string
  readonly domainSuffix: string
}

export const defineAnalyze = (command: Command, context: CliContext): void => {
  command
    .requiredOption('-f, --file <path...>', 'files, folders (with their subfolders), or "-" for the standard input')
    .option('-n, --namespace <name>', 'for objects that name none; default: "default"')
    .option('--domain-suffix <name>', "end of the services' host names", 'cluster.local')
    .action((options: AnalyzeOptions) => analyzeFiles(context, options))
  addExamples(command, [
    ['atoll analyze -f mesh/', 'in a pipeline, before "atoll apply"'],
    ['atoll analyze -f reviews.yaml -o json', 'the problems as JSON'],
  ])
}

const analyzeFiles = async (context: CliContext, { file, namespace, domainSuffix }: AnalyzeOptions): Promise<void> => {
  const configuration = await readConfiguration(file, context.io)
  const parsed = parseConfiguration(context, configuration, namespace)
  const objects = parsed.objects.map(({ object }) => object)
  // What the clusters offer is not known here: only the hosts that the files themselves define are.
  const problems = [...parsed.warnings, ...analyze(objects, { domainSuffix, hasHost: () => false })]
  const errors = problems.filter(({ severity }) => severity === 'error').length
  const counts = `${objects.length} objects, ${errors} errors, ${problems.length - errors} warnings`
  await context.print({
    value: { objects: objects.length, problems },
    names: problems.map(({ code }) => code),
    table: (paint) =>
      [...problems.map((problem) => toProblemText(problem, paint, configuration.findPlace)), counts].join('\n'),
  })
  if (errors > 0) throw new CliError('invalid', 'The configuration has errors')
}
