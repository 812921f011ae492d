import { Option } from 'commander'
import type { Command } from 'commander'
import { listAudit, listOrgAudit } from '#api/routes/audit.ts'
import type { CliContext } from '../cli-context.ts'
import { parseDurationSeconds } from '../duration.ts'
import { addExamples } from '../examples.ts'
import { parseLimit } from '../number-option.ts'
import { collect, toListView } from '../output/list-view.ts'
import { defineAuditVerify } from './audit-verify.ts'

interface AuditOptions {
  readonly action?: string
  readonly actor?: string
  readonly cluster?: string
  readonly since?: number
  readonly org?: true
  readonly limit: number
}

export const defineAudit = (command: Command, context: CliContext): void => {
  command
    .option('--action <action>', 'only this one, such as configuration.apply; "cluster." for all of a resource')
    .option('--actor <id>', 'only what this token or cluster did')
    .option('--cluster <name>', 'only what concerns this cluster')
    .option('--since <duration>', 'only the last while, such as 24h', parseDurationSeconds)
    .option('--limit <number>', 'at most so many', parseLimit, 100)
    .addOption(
      new Option('--org', 'what was done to the org instead: tokens, deleted meshes').conflicts([
        'action',
        'actor',
        'cluster',
        'since',
      ]),
    )
    .action((options: AuditOptions) => list(context, options))
  addExamples(command, [
    ['atoll audit --since 24h', 'the last day'],
    ['atoll audit --action cluster. -o json', 'joins, evictions, confirmations'],
    ['atoll audit --org', 'tokens made and revoked, meshes deleted'],
  ])
  defineAuditVerify(command, context)
}

const list = async (context: CliContext, { since, limit, org, ...filter }: AuditOptions): Promise<void> => {
  const page = { limit: Math.min(limit, 100) }
  const query = {
    ...filter,
    ...page,
    ...(since !== undefined && { since: new Date(context.io.now() - since * 1000).toISOString() }),
  }
  const events = await collect(
    org
      ? context.client().list(listOrgAudit, { query: page })
      : context.client().list(listAudit, { params: { mesh: await context.mesh() }, query }),
    limit,
  )
  await context.print(
    toListView(events, {
      headings: ['WHEN', 'WHO', 'FROM', 'WHAT', 'TO', 'CLUSTER', 'OUTCOME'],
      row: (event, paint) => [
        event.at,
        `${event.actor.kind} ${event.actor.name}`,
        event.client?.address ?? '',
        event.action,
        event.target,
        event.cluster ?? '',
        event.outcome === 'done' ? event.outcome : paint('red', event.outcome),
      ],
      name: (event) => event.id,
      empty: 'Nothing was done.',
    }),
  )
}
