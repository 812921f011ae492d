import type { Command } from 'commander'
import { applyConfiguration } from '#api/routes/configuration.ts'
import { foretellEffects } from '../authz/foretell-effects.ts'
import type { CliContext } from '../cli-context.ts'
import { toErrorMessage } from '#mesh/error-message.ts'
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
    [
      'atoll apply -f mesh/ -f extra.yaml --dry-run',
      'what would change; of AuthorizationPolicies, also for which calls',
    ],
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
  const effects = dryRun ? await tryToForetell(context, mesh, configuration, namespace) : undefined
  await printApplyResult(context, mesh, { ...result, problems, ...(effects && { effects }) }, options)
}

/** What can't be foretold, as records or proxies may not be read, keeps nobody from the rest. */
const tryToForetell = async (...args: Parameters<typeof foretellEffects>): ReturnType<typeof foretellEffects> => {
  const [context] = args
  try {
    return await foretellEffects(...args)
  } catch (error) {
    context.note(`What becomes of calls is not known: ${toErrorMessage(error)}`)
    return undefined
  }
}
