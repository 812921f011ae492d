import type { Command } from 'commander'
import type { Problem } from '#mesh/problem.ts'
import type { CliContext } from '../cli-context.ts'
import { readConfiguration } from '../configuration/configuration-files.ts'
import { parseConfiguration } from '../configuration/parse-configuration.ts'
import { addExamples } from '../examples.ts'
import { toProblemText } from '../output/problem-text.ts'
import type { FindPlace } from '../output/problem-text.ts'

interface AnalyzeOptions {
  readonly file: readonly string[]
  readonly namespace?: string
}

export const defineAnalyze = (command: Command, context: CliContext): void => {
  command
    .requiredOption('-f, --file <path...>', 'files, folders (with their subfolders), or "-" for the standard input')
    .option('-n, --namespace <name>', 'for objects that name none; default: "default"')
    .action((options: AnalyzeOptions) => analyze(context, options))
  addExamples(command, [
    ['atoll analyze -f mesh/', 'in a pipeline, before "atoll apply"'],
    ['atoll analyze -f reviews.yaml -o json', 'the problems as JSON'],
  ])
}

const analyze = async (context: CliContext, { file, namespace }: AnalyzeOptions): Promise<void> => {
  const configuration = await readConfiguration(file, context.io)
  const { objects, warnings } = parseConfiguration(context, configuration, namespace)
  await printFindings(context, objects.length, warnings, configuration.findPlace)
}

const printFindings = (
  context: CliContext,
  objects: number,
  problems: readonly Problem[],
  findPlace: FindPlace,
): Promise<void> =>
  context.print({
    value: { objects, problems },
    names: problems.map(({ code }) => code),
    table: (paint) =>
      [
        ...problems.map((problem) => toProblemText(problem, paint, findPlace)),
        `${objects} objects, ${problems.length} warnings`,
      ].join('\n'),
  })
