import type { Command } from 'commander'
import { AtollError } from '#api/atoll-error.ts'
import { analyze } from '#mesh/analysis/analyze.ts'
import { findStyleProblems } from '#mesh/analysis/style.ts'
import { withoutSuppressed } from '#mesh/analysis/suppressed.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
import { findSubject, type SubjectOptions } from '../analysis/subject.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addFiles, toPaths, type FileOptions } from '../configuration/file-arguments.ts'
import { addExamples } from '../examples.ts'
import { toProblemFields } from '../output/problem-fields.ts'
import { toProblemLines } from '../output/problem-text.ts'
import { toShortList } from '../output/short-list.ts'

interface AnalyzeOptions extends FileOptions, SubjectOptions {}

export const defineAnalyze = (command: Command, context: CliContext): void => {
  addFiles(command)
    .option('--with-mesh', "judge the files as they would be among the mesh's objects and services")
    .option(
      '--cluster <name=path...>',
      "files that are one cluster's own: its services are offered, and compared with those of the others",
    )
    .option('-n, --namespace <name>', 'for objects that name none; default: "default"')
    .option('--domain-suffix <name>', `end of the services' host names, without a mesh; default: "cluster.local"`)
    .option('--mesh-config <file>', "the mesh's settings, which are checked too: Istio's MeshConfig")
    .action((paths: readonly string[], options: AnalyzeOptions) => run(context, toPaths(paths, options), options))
  command.addHelpText(
    'after',
    '\nWithout files it analyses the mesh. It exits with 1 when there is an error, with 0 when there is none, and with 2 when it could not run.',
  )
  addExamples(command, [
    ['atoll analyze mesh/', 'in a pipeline, before "atoll apply"'],
    ['atoll analyze reviews.yaml -o json', '[{severity, code, class, object, path, text}]'],
    ['atoll analyze reviews.yaml --with-mesh', 'with all that is in the mesh already'],
    ['atoll analyze mesh/ --cluster east=east/ --cluster west=west/', 'with the Services of both clusters'],
    [
      'atoll analyze mesh/ --mesh-config mesh-config.yaml',
      'by these settings; a ConfigMap istio among the files is found',
    ],
    ['atoll analyze', 'the mesh as it is'],
  ])
}

/** Beyond it a person reads no more of them. */
const maxShown = 100

const run = async (context: CliContext, paths: readonly string[], options: AnalyzeOptions): Promise<void> => {
  const { count, problems, unfinished } = await examine(context, paths, options).catch((error: unknown) => {
    throw toCouldNotRun(error)
  })
  const errors = problems.filter(({ severity }) => severity === 'error').length
  const counts = [
    toCount(count, 'object'),
    toCount(errors, 'error'),
    toCount(problems.length - errors, 'warning'),
  ].join(', ')
  await context.print({
    value: problems.map(toProblemFields),
    names: problems.map(({ code }) => code),
    table: (paint) =>
      [...toProblemLines(problems, paint, maxShown), ...toUnfinishedText(unfinished), counts].join('\n'),
  })
  if (errors > 0) throw new CliError('failed', 'The configuration has errors')
}

const examine = async (context: CliContext, paths: readonly string[], options: AnalyzeOptions) => {
  const { count, objects, written, problems, unfinished, known, place } = await findSubject(context, paths, options)
  const { examineEnvoyFilters } = await import('#xds/patch/examine-envoy-filters.ts')
  const found = [...examineEnvoyFilters(objects), ...analyze(objects, known), ...findStyleProblems(written)]
  return { count, unfinished, problems: await place(withoutSuppressed([...problems, ...found], objects)) }
}

const toUnfinishedText = (names: readonly string[]): readonly string[] =>
  names.length === 0 ? [] : [`Not checked further until their own errors are mended: ${toShortList(names)}`]

/** Whatever was in the way: scripts tell it from configuration that has errors. */
const toCouldNotRun = (error: unknown): CliError => {
  if (error instanceof CliError)
    return new CliError('usage', error.message, { ...toRemedy(error), problems: error.problems, cause: error })
  const prefix = error instanceof AtollError ? `${error.code}: ` : ''
  return new CliError('usage', `${prefix}${toErrorMessage(error)}`, { cause: error })
}

const toRemedy = ({ remedy }: CliError) => (remedy === undefined ? {} : { remedy })

const toCount = (count: number, name: string): string => `${count} ${name}${count === 1 ? '' : 's'}`
