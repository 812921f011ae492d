import type { Command } from 'commander'
import {
  diffRevision,
  getRevision,
  getRevisionDelivery,
  listRevisions,
  rollBackToRevision,
} from '#api/routes/revisions.ts'
import type { ApplyResult } from '#api/schemas/configuration.ts'
import type { Revision } from '#api/schemas/revisions.ts'
import { tryToForetell } from '../authz/foretell-effects.ts'
import type { CliContext } from '../cli-context.ts'
import { printApplyResult } from '../configuration/print-apply-result.ts'
import type { WriteOptions } from '../configuration/print-apply-result.ts'
import { addWriteOptions } from '../configuration/write-options.ts'
import { toDeliveryText } from '../delivery/wait-for-delivery.ts'
import { toRoughDuration } from '../duration.ts'
import { addExamples } from '../examples.ts'
import { printDifferences } from '../output/print-differences.ts'
import { parseLimit, parseWholeNumber } from '../number-option.ts'
import { collect, toListView } from '../output/list-view.ts'
import { toFields } from '../output/table.ts'

export const defineRevision = (group: Command, context: CliContext): void => {
  addExamples(
    group
      .command('list')
      .description('List the revisions, newest first.')
      .option('--limit <number>', 'at most so many', parseLimit, 50)
      .action((options: { readonly limit: number }) => list(context, options.limit)),
    [['atoll revision list --limit 5', 'the last five']],
  )
  addExamples(
    group
      .command('show')
      .description('Show what a revision changed and how far the proxies are with it.')
      .argument('<number>', '', parseWholeNumber)
      .action((revision: number) => show(context, revision)),
    [['atoll revision show 7', 'one revision']],
  )
  addExamples(
    group
      .command('diff')
      .description('Show how the objects of two revisions differ.')
      .argument('<number>', 'the newer side', parseWholeNumber)
      .option('--against <number>', 'the older side; default: the revision before', parseWholeNumber)
      .action((revision: number, options: { readonly against?: number }) => diff(context, revision, options.against)),
    [
      ['atoll revision diff 7', 'what revision 7 changed'],
      ['atoll revision diff 7 --against 3', 'what changed since revision 3'],
    ],
  )
  addExamples(
    addWriteOptions(
      group
        .command('rollback')
        .description('Make a new revision with the objects of an old one.')
        .argument('<number>', 'the revision to go back to', parseWholeNumber),
    ).action((revision: number, options: WriteOptions) => rollBack(context, revision, options)),
    [
      ['atoll revision rollback 6 --wait', 'back to how it was at revision 6'],
      ['atoll revision rollback 6 --dry-run', 'what that would change'],
    ],
  )
}

const toOperationText = ({ operation, rollbackTo }: Revision): string =>
  rollbackTo === null ? operation : `${operation} to ${rollbackTo}`

const list = async (context: CliContext, limit: number): Promise<void> => {
  const revisions = await collect(
    context
      .client()
      .list(listRevisions, { params: { mesh: await context.mesh() }, query: { limit: Math.min(limit, 100) } }),
    limit,
  )
  await context.print(
    toListView(revisions, {
      headings: ['REVISION', 'WHEN', 'BY', 'WHAT', 'CREATED', 'UPDATED', 'DELETED'],
      row: (revision) => [
        String(revision.revision),
        `${toRoughDuration(context.io.now() - Date.parse(revision.createdAt))} ago`,
        revision.actor.name,
        toOperationText(revision),
        String(revision.created),
        String(revision.updated),
        String(revision.deleted),
      ],
      name: (revision) => String(revision.revision),
      empty: 'There is no revision yet. Make one with "atoll apply -f FILE".',
    }),
  )
}

const show = async (context: CliContext, revision: number): Promise<void> => {
  const params = { mesh: await context.mesh(), revision }
  const [found, delivery] = await Promise.all([
    context.client().call(getRevision, { params }),
    context.client().call(getRevisionDelivery, { params }),
  ])
  await context.print({
    value: { ...found, delivery },
    names: [String(revision)],
    table: () =>
      [
        toFields([
          ['Revision', String(found.revision)],
          ['Made', `${found.createdAt} by ${found.actor.name} (${found.actor.id})`],
          ['What', toOperationText(found)],
          ...found.changes.map(({ key, action }) => ['Object', `${key} ${action}`] as const),
        ]),
        toDeliveryText(delivery),
      ].join('\n'),
  })
}

const diff = async (context: CliContext, revision: number, against: number | undefined): Promise<void> => {
  const params = { mesh: await context.mesh(), revision }
  const differences = await collect(context.client().list(diffRevision, { params, query: { against } }))
  await printDifferences(context, differences)
}

const rollBack = async (context: CliContext, revision: number, options: WriteOptions): Promise<void> => {
  const mesh = await context.mesh()
  const result = await context.client().call(rollBackToRevision, {
    params: { mesh, revision },
    query: { ...(options.dryRun && { dryRun: 'true' }) },
    ifMatch: options.ifRevision,
  })
  const proposal = options.dryRun ? await toProposal(context, mesh, revision, result) : { objects: [], deleted: [] }
  const effects = await tryToForetell(context, mesh, proposal, options.since)
  await printApplyResult(context, mesh, { ...result, ...(effects && { effects }) }, options)
}

/** What a rollback brings back, and what it takes away: the difference the other way round. */
const toProposal = async (context: CliContext, mesh: string, against: number, result: ApplyResult) => {
  if (result.changes.length === 0) return { objects: [], deleted: [] }
  const params = { mesh, revision: result.revision }
  const differences = await collect(context.client().list(diffRevision, { params, query: { against } }))
  return {
    objects: differences.flatMap(({ before }) => before ?? []),
    deleted: differences.flatMap(({ key, before }) => (before ? [] : [key])),
  }
}
