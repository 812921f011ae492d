import type { Command } from 'commander'
import { applyConfiguration } from '#api/routes/configuration.ts'
import { objectKeyOf } from '#mesh/config-object.ts'
import { tryToForetell } from '../authz/foretell-effects.ts'
import type { CliContext } from '../cli-context.ts'
import { examineForCompiler } from '../configuration/examine-configuration.ts'
import { readConfiguration } from '../configuration/configuration-files.ts'
import { nameFilesOfDuplicates } from '../configuration/name-files-of-duplicates.ts'
import { placeProblems } from '../configuration/place-problems.ts'
import { printApplyResult } from '../configuration/print-apply-result.ts'
import type { WriteOptions } from '../configuration/print-apply-result.ts'
import { withPlaces } from '../configuration/with-places.ts'
import { addWriteOptions } from '../configuration/write-options.ts'
import { addExamples } from '../examples.ts'

interface ApplyOptions extends WriteOptions {
  readonly file: readonly string[]
  readonly namespace?: string
}

export const defineApply = (command: Command, context: CliContext): void => {
  addWriteOptions(
    command
      .requiredOption('-f, --file <path...>', 'files, folders (with their subfolders), or "-" for the standard input')
      .option('-n, --namespace <name>', 'for objects that name none; default: "default"'),
  ).action((options: ApplyOptions) => apply(context, options))
  addExamples(command, [
    ['atoll apply -f reviews.yaml --wait', 'and see it go live'],
    ['atoll apply -f mesh/ -f extra.yaml --dry-run', 'what would change; of policies, also for which calls'],
    ['kubectl get vs,dr -o yaml | atoll apply -f -', 'from somewhere else'],
  ])
}

const apply = async (context: CliContext, options: ApplyOptions): Promise<void> => {
  const { file, namespace, dryRun, ifRevision } = options
  const configuration = await readConfiguration(file, context.io)
  const mesh = await context.mesh()
  const query = { ...(dryRun && { dryRun: 'true' }), ...(namespace !== undefined && { namespace }) }
  const request = context
    .client()
    .call(applyConfiguration, { params: { mesh }, query, yaml: configuration.text, ifMatch: ifRevision })
  const result = await withPlaces(request, async (problems) =>
    placeProblems(await nameFilesOfDuplicates(problems, configuration, namespace), configuration, namespace),
  )
  const problems = await placeProblems(result.problems, configuration, namespace)
  const changed = new Set<string>(result.changes.flatMap(({ key, action }) => (action === 'unchanged' ? [] : [key])))
  const objects = dryRun
    ? examineForCompiler(configuration, namespace)
        .objects.map(({ object }) => object)
        .filter((object) => changed.has(objectKeyOf(object)))
    : []
  const effects = await tryToForetell(context, mesh, { objects, deleted: [] }, options.since)
  await printApplyResult(context, mesh, { ...result, problems, ...(effects && { effects }) }, options)
}
