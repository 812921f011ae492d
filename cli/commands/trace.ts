import type { Command } from 'commander'
import { getTrace, listTraces } from '#api/routes/telemetry.ts'
import type { Trace, TraceSummary, Unavailable } from '#api/schemas/telemetry.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import { parseLimit } from '../number-option.ts'
import { toListView } from '../output/list-view.ts'
import { noteMissing } from '../telemetry/note-missing.ts'
import { toSafeWord } from '../output/safe-text.ts'
import { toDurationText, toTimeText } from '../telemetry/log-line.ts'
import { addPeriod, parseMilliseconds, toPeriod, type PeriodOptions } from '../telemetry/period.ts'
import { parseTraceId } from '../telemetry/filter-options.ts'
import { toWaterfall } from '../telemetry/waterfall.ts'

interface TraceOptions extends PeriodOptions {
  readonly service?: string
  readonly cluster?: string
  readonly minDuration?: number
  readonly error?: true
  readonly limit: number
}

export const defineTrace = (command: Command, context: CliContext): void => {
  addPeriod(
    command
      .argument('[id]', 'of a trace, 32 hexadecimal digits; without it they are searched', parseTraceId)
      .option(
        '--service <name>',
        'only traces in which this service takes part: a short name, NAME.NAMESPACE, or a host name',
      )
      .option('--cluster <name>', 'only traces of which this cluster tells')
      .option(
        '--min-duration <duration>',
        'only traces with a span that takes so long, such as 500ms',
        parseMilliseconds,
      )
      .option('--error', 'only traces with a span that failed')
      .option('--limit <number>', 'at most so many, the newest', parseLimit, 20),
  ).action((id: string | undefined, options: TraceOptions) =>
    id === undefined ? list(context, options) : show(context, id, options),
  )
  addExamples(command, [
    ['atoll trace --error --since 1h', 'what failed of late'],
    ['atoll trace --service reviews --min-duration 500ms', 'what is slow'],
    ['atoll trace 4bf92f3577b34da6a3ce929d0e0e4736', 'one of them, over all clusters'],
  ])
}

const maxPage = 100

const list = async (context: CliContext, options: TraceOptions): Promise<void> => {
  const { service, cluster, minDuration, error, limit } = options
  const query = {
    ...(service !== undefined && { service }),
    ...(cluster !== undefined && { cluster }),
    ...(minDuration !== undefined && { minDurationMs: minDuration }),
    ...(error && { error: 'true' as const }),
    ...toPeriod(options, context.io.now()),
    limit: Math.min(limit, maxPage),
  }
  const items: TraceSummary[] = []
  const away = new Map<string, Unavailable[number]>()
  for await (const page of context.client().pages(listTraces, { params: { mesh: await context.mesh() }, query })) {
    items.push(...page.items)
    for (const each of page.unavailable) away.set(each.cluster, each)
    if (items.length >= limit) break
  }
  noteMissing(context, 'spans', away.values())
  const view = toListView(items.slice(0, limit), {
    headings: ['TIME', 'TRACE', 'TOOK', 'SPANS', 'CLUSTERS', 'SERVICE', 'NAME'],
    row: (trace, paint) => [
      paint('dim', toTimeText(trace.time)),
      toSafeWord(trace.traceId),
      toDurationText(trace.durationUs),
      String(trace.spans),
      toSafeWord(trace.clusters.join(',')),
      toSafeWord(trace.service ?? ''),
      trace.error ? paint('red', toSafeWord(trace.name)) : toSafeWord(trace.name),
    ],
    name: ({ traceId }) => traceId,
    empty: 'There are no such traces.',
  })
  await context.print({ ...view, value: { items: items.slice(0, limit), unavailable: [...away.values()] } })
}

const show = async (context: CliContext, traceId: string, options: TraceOptions): Promise<void> => {
  const params = { mesh: await context.mesh(), traceId }
  const trace: Trace = await context.client().call(getTrace, { params, query: toPeriod(options, context.io.now()) })
  const { spans, truncated, searchedTo, unavailable } = trace
  noteMissing(context, 'spans', unavailable)
  const further = searchedTo === undefined ? undefined : `--to ${searchedTo}`
  if (spans.length === 0 && further !== undefined)
    throw new CliError('unavailable', `Trace ${traceId} was not found, but what is older was not looked through`, {
      remedy: `Go on with ${further}, or say with --from and --to when it was.`,
    })
  if (spans.length === 0 && unavailable.length > 0)
    throw new CliError('unavailable', `Trace ${traceId} was not found, but not all clusters answered`, {
      remedy: 'Run the command again.',
    })
  if (spans.length === 0)
    throw new CliError('notFound', `Nothing is known of trace ${traceId}`, {
      remedy: 'It may be older than what is kept, or not here yet: records take seconds to come.',
    })
  if (truncated) context.note('It has more spans than are shown')
  if (further !== undefined)
    context.note(`What is older was not looked through, and may have more: go on with ${further}`)
  await context.print({
    value: trace,
    names: spans.map(({ span_id: id = '' }) => id),
    table: (paint) => toWaterfall(spans, paint),
  })
}
