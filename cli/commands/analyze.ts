import type { Command } from 'commander'
import { analyze } from '#mesh/analysis/analyze.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { readConfiguration } from '../configuration/configuration-files.ts'
import { parseConfiguration } from '../configuration/parse-configuration.ts'
import { placeProblems } from '../configuration/place-problems.ts'
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
  const parsed = await parseConfiguration(configuration, namespace)
  const objects = parsed.objects.map(({ object }) => object)
  const unknown = new Set<string>()
  const hasHost = (hostname: string) => {
    unknown.add(hostname)
    return undefined
  }
  const problems = await placeProblems(
    [...parsed.warnings, ...analyze(objects, { domainSuffix, hasHost })],
    configuration,
    namespace,
  )
  const errors = problems.filter(({ severity }) => severity === 'error').length
  const counts = [
    toCount(objects.length, 'object'),
    toCount(errors, 'error'),
    toCount(problems.length - errors, 'warning'),
  ].join(', ')
  await context.print({
    value: { objects: objects.length, problems },
    names: problems.map(({ code }) => code),
    table: (paint) => [...problems.map((problem) => toProblemText(problem, paint)), counts].join('\n'),
  })
  if (unknown.size > 0) context.note(toUncheckedText([...unknown]))
  if (errors > 0) throw new CliError('invalid', 'The configuration has errors')
}

const toCount = (count: number, name: string): string => `${count} ${name}${count === 1 ? '' : 's'}`

const MAX_HOSTS_SHOWN = 5

/** What the clusters offer is not known here. */
const toUncheckedText = (hosts: readonly string[]): string => {
  const shown = hosts.slice(0, MAX_HOSTS_SHOWN).join(', ')
  const more = hosts.length > MAX_HOSTS_SHOWN ? ` and ${hosts.length - MAX_HOSTS_SHOWN} more` : ''
  return `Not checked, for no file defines them, but a cluster may offer them: ${shown}${more}`
}
