import type { Command } from 'commander'
import { listQuotas } from '#api/routes/quotas.ts'
import type { QuotaUse } from '#api/schemas/quotas.ts'
import type { CliContext } from '../cli-context.ts'
import { addExamples } from '../examples.ts'
import { collect, toListView } from '../output/list-view.ts'
import { toSafeWord } from '../output/safe-text.ts'

interface QuotasOptions {
  readonly namespace?: string
  readonly day?: string
}

export const defineQuotas = (command: Command, context: CliContext): void => {
  command
    .option('-n, --namespace <name>', 'only of RateLimits of this namespace')
    .option('--day <date>', 'of UTC, such as 2026-11-30, a week ago at the most; default: today')
    .action((options: QuotasOptions) => list(context, options))
  addExamples(command, [
    ['atoll quotas', 'who has used how much today, most of it first'],
    ['atoll quotas -n shop --day 2026-11-30 -o json', 'of a day that is over, whole'],
  ])
}

const list = async (context: CliContext, options: QuotasOptions): Promise<void> => {
  const params = { mesh: await context.mesh() }
  const uses = await collect(context.client().list(listQuotas, { params, query: { ...options } }))
  await context.print(
    toListView(
      uses.toSorted((one, other) => toShare(other) - toShare(one)),
      {
        headings: ['NAMESPACE', 'RATELIMIT', 'LIMIT', 'CONSUMER', 'USED', 'OF', ''],
        row: (use) => [
          use.namespace,
          use.rateLimit,
          use.limit,
          toSafeWord(use.consumer),
          String(use.used),
          use.requests === null ? 'no limit any more' : String(use.requests),
          use.requests === null ? '' : `${Math.floor(toShare(use) * 100)} %`,
        ],
        name: (use) => `${use.namespace}/${use.rateLimit}/${use.limit}/${use.consumer}`,
        empty: 'Nothing of a quota is used.',
      },
    ),
  )
}

const toShare = ({ used, requests }: QuotaUse): number => (requests === null ? 0 : used / requests)
