import type { Command } from 'commander'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import { compileFiles, type CompileOptions } from '../xds/compile-files.ts'
import type { OfflineResource } from '../xds/offline-compile.ts'

interface DiffOptions extends CompileOptions {
  readonly before: readonly string[]
  readonly after: readonly string[]
  readonly exitCode?: true
}

export const defineXdsDiff = (group: Command, context: CliContext): void => {
  const command = group
    .command('diff')
    .description('Compile two sets of files for a proxy, and show how its Envoy resources differ.')
    .requiredOption('--before <path...>', 'files and folders as they are')
    .requiredOption('--after <path...>', 'files and folders as they would be')
    .option('--exit-code', 'exit with 3 when there is a difference')
    // Commander gives options that the group has to the group, wherever they stand.
    .action((_: unknown, self: Command) => diff(context, self.optsWithGlobals<DiffOptions>()))
  addExamples(command, [
    ['atoll xds diff --before main/ --after branch/ --proxy sidecar/default/frontend', 'what a change means to Envoy'],
  ])
}

const diff = async (context: CliContext, options: DiffOptions): Promise<void> => {
  const before = await compile(context, options.before, options)
  const after = await compile(context, options.after, options)
  const keys = [...new Set([...before.keys(), ...after.keys()])]
  const differences = keys.flatMap((key) => {
    const [left, right] = [before.get(key), after.get(key)]
    if (JSON.stringify(left?.json) === JSON.stringify(right?.json)) return []
    const { type, name } = left ?? right ?? { type: '', name: '' }
    return [{ type, name, before: left?.json ?? null, after: right?.json ?? null }]
  })
  const { toDiffText } = await import('../output/object-diff-text.ts')
  await context.print({
    value: { items: differences },
    names: differences.map(({ name }) => name),
    table: (paint) =>
      differences.length === 0
        ? 'There is no difference.'
        : differences
            .map(({ type, name, ...sides }) =>
              toDiffText(`${type.slice(type.lastIndexOf('.') + 1)} ${name}`, sides.before, sides.after, paint),
            )
            .join('\n'),
  })
  if (options.exitCode === true && differences.length > 0)
    throw new CliError('notInSync', 'There are differences', { isResult: true })
}

/** The resources that files give the proxy, by type and name. */
const compile = async (
  context: CliContext,
  paths: readonly string[],
  options: DiffOptions,
): Promise<Map<string, OfflineResource>> => {
  const { resources, problems } = await compileFiles(context, paths, options)
  context.noteProblems(problems)
  return new Map(resources.map((resource) => [`${resource.type} ${resource.name}`, resource]))
}
