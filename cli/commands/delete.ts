import type { Command } from 'commander'
import { deleteConfigurationObject } from '#api/routes/configuration.ts'
import { tryToForetell } from '../authz/foretell-effects.ts'
import type { CliContext } from '../cli-context.ts'
import { toObjectName } from '../configuration/object-arguments.ts'
import { printApplyResult } from '../configuration/print-apply-result.ts'
import type { WriteOptions } from '../configuration/print-apply-result.ts'
import { addWriteOptions } from '../configuration/write-options.ts'
import { addExamples } from '../examples.ts'

interface DeleteOptions extends WriteOptions {
  readonly namespace?: string
}

export const defineDelete = (command: Command, context: CliContext): void => {
  addWriteOptions(
    command
      .argument('<kind>', 'such as VirtualService or vs; or KIND/NAME, KIND/NAMESPACE/NAME')
      .argument('[name]')
      .option('-n, --namespace <name>', 'of the object; default: "default"'),
  ).action((kind: string, name: string | undefined, options: DeleteOptions) => remove(context, kind, name, options))
  addExamples(command, [
    ['atoll delete vs reviews', 'in namespace default'],
    ['atoll delete PeerAuthentication/shop/default --dry-run', 'which calls would be answered otherwise without it'],
    ['atoll delete VirtualService/shop/reviews --wait', 'as "atoll get -o name" names it'],
  ])
}

const remove = async (
  context: CliContext,
  kind: string,
  name: string | undefined,
  options: DeleteOptions,
): Promise<void> => {
  const object = await toObjectName(kind, name, options.namespace)
  const mesh = await context.mesh()
  const result = await context.client().call(deleteConfigurationObject, {
    params: { mesh, ...object },
    query: { ...(options.dryRun && { dryRun: 'true' }) },
    ifMatch: options.ifRevision,
  })
  const deleted = options.dryRun ? result.changes.flatMap(({ key, action }) => (action === 'deleted' ? [key] : [])) : []
  const effects = await tryToForetell(context, mesh, { objects: [], deleted }, options.since)
  await printApplyResult(context, mesh, { ...result, ...(effects && { effects }) }, options)
}
