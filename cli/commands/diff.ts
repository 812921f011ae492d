import type { Command } from 'commander'
import { applyConfiguration, getConfigurationObject } from '#api/routes/configuration.ts'
import type { ObjectChange } from '#api/schemas/configuration.ts'
import type { ObjectDiff } from '#api/schemas/revisions.ts'
import type { ConfigObject } from '#mesh/config-object.ts'
import { objectKeyOf, parseObjectKey } from '#mesh/config-object.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { readConfiguration } from '../configuration/configuration-files.ts'
import { parseConfiguration } from '../configuration/parse-configuration.ts'
import { placeProblems } from '../configuration/place-problems.ts'
import { withPlaces } from '../configuration/with-places.ts'
import { addExamples } from '../examples.ts'
import { printDifferences } from '../output/print-differences.ts'

interface DiffOptions {
  readonly file: readonly string[]
  readonly namespace?: string
  readonly exitCode?: true
}

export const defineDiff = (command: Command, context: CliContext): void => {
  command
    .requiredOption('-f, --file <path...>', 'files, folders (with their subfolders), or "-" for the standard input')
    .option('-n, --namespace <name>', 'for objects that name none; default: "default"')
    .option('--exit-code', 'exit with 3 when there is a difference')
    .action((options: DiffOptions) => diff(context, options))
  addExamples(command, [
    ['atoll diff -f reviews.yaml', 'before applying it'],
    ['atoll diff -f mesh/ --exit-code', 'has somebody changed it by hand?'],
  ])
}

const diff = async (context: CliContext, options: DiffOptions): Promise<void> => {
  const configuration = await readConfiguration(options.file, context.io)
  const { objects } = await parseConfiguration(configuration, options.namespace)
  const wanted = new Map<string, ConfigObject>(objects.map(({ object }) => [objectKeyOf(object), object]))
  const mesh = await context.mesh()
  const request = context.client().call(applyConfiguration, {
    params: { mesh },
    query: { dryRun: 'true', ...(options.namespace !== undefined && { namespace: options.namespace }) },
    yaml: configuration.text,
  })
  const { changes } = await withPlaces(request, (problems) => placeProblems(problems, configuration, options.namespace))
  const differences: ObjectDiff[] = []
  for (const { key, action } of changes) {
    if (action === 'unchanged') continue
    const before = action === 'created' ? null : await fetchObject(context, mesh, key)
    differences.push({ key, action, before, after: wanted.get(key) ?? null })
  }
  await printDifferences(context, differences)
  if (options.exitCode === true && differences.length > 0)
    throw new CliError('notInSync', 'There are differences', { isResult: true })
}

/** As it was written: when the store first had it is no difference. */
const fetchObject = async (context: CliContext, mesh: string, key: ObjectChange['key']): Promise<ConfigObject> => {
  const { kind = '', namespace = '', name = '' } = parseObjectKey(key) ?? {}
  const params = { mesh, kind, namespace, name }
  const { object } = await context.client().call(getConfigurationObject, { params })
  const { creationTimestamp: _, ...metadata } = object.metadata
  return { ...object, metadata }
}
