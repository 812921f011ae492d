import { Option, type Command } from 'commander'
import { z } from 'zod'
import { listLogs } from '#api/routes/telemetry.ts'
import { accessLog, type AccessLog, type LogFilters, type Unavailable } from '#api/schemas/telemetry.ts'
import { parseJson } from '#mesh/parse-json.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import { parseLimit } from '../number-option.ts'
import { noteMissing } from '../telemetry/note-missing.ts'
import { toSafeJson } from '../output/safe-text.ts'
import { toTable, toWidth } from '../output/table.ts'
import { createAligner, logHeadings, toLogRow } from '../telemetry/log-line.ts'
import { parseCode, parseTraceId, parseUpperCase } from '../telemetry/filter-options.ts'
import { addPeriod, parseMilliseconds, toPeriod, type PeriodOptions } from '../telemetry/period.ts'
import { tailOn } from '../telemetry/tail-on.ts'

interface LogsOptions extends Omit<LogFilters, 'minLatencyMs' | 'maxLatencyMs'>, PeriodOptions {
  readonly follow?: true
  readonly minLatency?: number
  readonly maxLatency?: number
  readonly limit: number
}

export const defineLogs = (command: Command, context: CliContext): void => {
  addPeriod(
    command
      .option('-f, --follow', 'show what comes from now on, until it is interrupted')
      .option('--cluster <name>', 'only what proxies of this cluster tell')
      .option('--service <name>', 'a service on either side: a short name, NAME.NAMESPACE, or a host name')
      .option('--source <name>', 'the canonical service, so named, or the workload that calls')
      .option('--destination <name>', 'the service, so named, or the workload that is called')
      .option('--workload <name>', 'a workload on either side')
      .option('-n, --namespace <name>', 'a namespace on either side')
      .addOption(
        new Option('--reporter <side>', 'only what this side of the call tells').choices(['source', 'destination']),
      )
      .addOption(
        new Option('--protocol <protocol>', 'only requests of HTTP but gRPC, of gRPC, or connections of TCP').choices([
          'http',
          'grpc',
          'tcp',
        ]),
      )
      .option('--code <code>', 'a status, or a class such as 5xx', parseCode)
      .option('--flag <flag>', "one of Envoy's response flags, such as UF", parseUpperCase)
      .option('--min-latency <duration>', 'at least so slow, such as 250ms', parseMilliseconds)
      .option('--max-latency <duration>', 'at most so slow', parseMilliseconds)
      .option('--principal <id>', 'a SPIFFE ID on either side')
      .addOption(
        new Option(
          '--security <how>',
          'only what the called proxy saw come by mTLS of the mesh, or in plaintext (none)',
        ).choices(['mutual_tls', 'none']),
      )
      .option('--method <method>', 'of the request', parseUpperCase)
      .option('--path <path>', 'what the path begins with')
      .addOption(
        new Option(
          '--verdict <verdict>',
          'only what a policy denied, what one of a dry run would have (trial), or what one of AUDIT matched',
        ).choices(['denied', 'trial', 'audit']),
      )
      .option('--policy <namespace/name>', 'only what this AuthorizationPolicy decided, or would have')
      .option('--trace <id>', 'of this trace', parseTraceId)
      .option('--limit <number>', 'at most so many, the newest', parseLimit, 100),
  ).action((options: LogsOptions) => (options.follow ? follow(context, options) : list(context, options)))
  command.addHelpText(
    'after',
    '\nA request is told by the proxies on both sides: --reporter shows each once. With -f, -o json writes a record a line.\n-o name prints the trace ID of each record; of one without a trace its request ID, or -.',
  )
  addExamples(command, [
    ['atoll logs --service reviews --code 5xx --since 1h', 'what failed of late'],
    ['atoll logs -f --destination reviews --reporter destination', 'each call of a service as it comes'],
    ['atoll logs --security none --reporter destination --since 1d', 'who still calls in plaintext'],
    ['atoll logs --verdict trial --policy shop/readers', 'what a dry run of a policy would have denied'],
    ['atoll logs --protocol http --min-latency 500ms -o json', 'what was slow, with all fields'],
  ])
}

const toFilters = ({
  minLatency,
  maxLatency,
  since: _since,
  from: _from,
  to: _to,
  limit: _limit,
  follow: _follow,
  ...filters
}: LogsOptions) => ({
  ...filters,
  ...(minLatency !== undefined && { minLatencyMs: minLatency }),
  ...(maxLatency !== undefined && { maxLatencyMs: maxLatency }),
})

const maxPage = 100

const list = async (context: CliContext, options: LogsOptions): Promise<void> => {
  const { limit } = options
  const query = {
    ...toFilters(options),
    ...toPeriod(options, context.io.now()),
    limit: Math.min(limit, maxPage),
  }
  const newest: AccessLog[] = []
  const away = new Map<string, Unavailable[number]>()
  for await (const page of context.client().pages(listLogs, { params: { mesh: await context.mesh() }, query })) {
    newest.push(...page.items)
    for (const each of page.unavailable) away.set(each.cluster, each)
    if (newest.length >= limit) break
  }
  const items = newest.slice(0, limit).toReversed()
  noteMissing(context, 'records', away.values())
  await context.print({
    value: { items, unavailable: [...away.values()] },
    names: items.map(toName),
    table: (paint) =>
      items.length === 0
        ? 'There are no such records.'
        : toTable(
            logHeadings,
            items.map((record) => toLogRow(record, paint)),
          ),
  })
}

/** What has a name of a record is its trace. */
const toName = ({ trace_id: trace, request_id: request }: AccessLog): string => trace ?? request ?? '-'

const skipped = z.object({ cluster: z.string(), records: z.number() })
const unavailable = z.object({ cluster: z.string() })

const follow = async (context: CliContext, options: LogsOptions): Promise<void> => {
  if (options.since !== undefined || options.from !== undefined || options.to !== undefined)
    throw new CliError('usage', '--follow begins now', { remedy: 'Leave --since, --from and --to out.' })
  const mesh = await context.mesh()
  const print = createPrinter(context)
  for await (const { event, data } of tailOn(context, mesh, toFilters(options))) {
    const value = parseJson(data)
    if (event === 'record') await print(accessLog.parse(value))
    else if (event === 'skipped') {
      const { cluster, records } = skipped.parse(value)
      context.note(`Cluster ${cluster}: up to ${records} records were skipped, they came too fast`)
    } else if (event === 'unavailable')
      context.note(`Cluster ${unavailable.parse(value).cluster}: its records are missing until it answers again`)
  }
}

const createPrinter = (context: CliContext) => {
  const { stdout } = context.io
  const { output } = context.options
  const align = createAligner(toWidth)
  // With the first record: before it nothing says that the plane takes the command.
  let needsHeadings = output === 'table'
  return async (record: AccessLog): Promise<void> => {
    if (needsHeadings) stdout.write(`${align(logHeadings)}\n`)
    needsHeadings = false
    if (output === 'json') stdout.write(`${toSafeJson(record)}\n`)
    else
      await context.print({
        value: [record],
        names: [toName(record)],
        table: (paint) => align(toLogRow(record, paint)),
      })
  }
}
