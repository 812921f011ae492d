import { Option, type Command } from 'commander'
import { getMeshGraph, listServiceMetrics } from '#api/routes/metrics.ts'
import type { MeshGraph } from '#api/schemas/metrics.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { durationOption, toRoughDuration } from '../duration.ts'
import { addExamples } from '../examples.ts'
import { parseLimit } from '../number-option.ts'
import { toTable } from '../output/table.ts'
import { addWindow, toMissing } from '../telemetry/metrics-window.ts'
import { showAgain, type Frame } from '../telemetry/show-again.ts'
import {
  clusterHeadings,
  edgeHeadings,
  serviceHeadings,
  sortTraffic,
  toClusterRows,
  toEdgeRows,
  toServiceRows,
  toWorkloadRows,
  trafficOrders,
  workloadHeadings,
  type TrafficFilter,
  type TrafficOrder,
  type TrafficRow,
} from '../telemetry/traffic-rows.ts'
import { toRateText, toTrafficColumns } from '../telemetry/traffic-text.ts'

const subjects = ['service', 'edge', 'workload', 'cluster'] as const

interface TopOptions extends TrafficFilter {
  readonly by: (typeof subjects)[number]
  readonly window: number
  readonly cluster?: string
  readonly sort: TrafficOrder
  readonly limit?: number
  readonly watch?: true
  readonly interval: number
}

export const defineTop = (command: Command, context: CliContext): void => {
  addWindow(
    command
      .addOption(new Option('--by <subject>', 'a line for each of these').choices([...subjects]).default('service'))
      .option('--service <name>', 'only what is called as this: a short name, NAME.NAMESPACE, or a host name')
      .option('-n, --namespace <name>', 'only what is called in this namespace')
      .addOption(new Option('--sort <column>', 'the most first').choices([...trafficOrders]).default('rate'))
      .option('--limit <number>', 'at most so many', parseLimit)
      .option('-w, --watch', 'show it again and again, until it is interrupted'),
  )
    .addOption(durationOption('--interval <duration>', 'how often --watch does', '5s', { least: '1s' }))
    .action(async (options: TopOptions, self: Command) => {
      if (options.by === 'cluster' && (options.service !== undefined || options.namespace !== undefined))
        throw new CliError('usage', 'A cluster is shown with all that its workloads are called with', {
          remedy: 'Leave --service and --namespace out, or choose --by workload.',
        })
      if (!options.watch && self.getOptionValueSource('interval') === 'cli')
        throw new CliError('usage', '--interval is for --watch', { remedy: 'Add --watch, or leave it out.' })
      const mesh = await context.mesh()
      const load = () => loadFrame(context, mesh, options)
      if (options.watch) return showAgain(context, options.interval * 1000, load)
      const { view, notes } = await load()
      for (const note of notes) context.note(note)
      return context.print(view)
    })
  command.addHelpText(
    'after',
    '\nErrors are 5xx, no answer at all, and a status of gRPC but 0. With --watch, -o json writes a line each time.',
  )
  addExamples(command, [
    ['atoll top', 'each service: what it is asked, and how it answers'],
    ['atoll top --watch --sort errors', 'live, what fails most first'],
    ['atoll top --by edge --service reviews', 'who calls a service, from where'],
    ['atoll top --by cluster --window 1d', 'what each cluster does in a day'],
  ])
}

interface Answer {
  readonly answer: Omit<MeshGraph, 'nodes' | 'edges' | 'clusters'>
  readonly headings: readonly string[]
  readonly rows: readonly TrafficRow[]
}

const ask = async (context: CliContext, mesh: string, options: TopOptions): Promise<Answer> => {
  const { by, window, cluster } = options
  const request = { params: { mesh }, query: { window, ...(cluster !== undefined && { cluster }) } }
  if (by === 'service') {
    const answer = await context.client().call(listServiceMetrics, request)
    return { answer, headings: serviceHeadings, rows: toServiceRows(answer, options) }
  }
  const answer = await context.client().call(getMeshGraph, request)
  if (by === 'edge') return { answer, headings: edgeHeadings, rows: toEdgeRows(answer, options) }
  if (by === 'workload') return { answer, headings: workloadHeadings, rows: toWorkloadRows(answer, options) }
  return { answer, headings: clusterHeadings, rows: toClusterRows(answer) }
}

const loadFrame = async (context: CliContext, mesh: string, options: TopOptions): Promise<Frame> => {
  const { answer, headings, rows } = await ask(context, mesh, options)
  const { from, to, stepSeconds, folded, unavailable } = answer
  const sorted = sortTraffic(rows, options.sort).slice(0, options.limit)
  const window = `LAST ${toRoughDuration(options.window * 1000)}`
  const columns = toTrafficColumns(sorted.map(({ value }) => value))
  const hasCourse = options.by === 'service'
  const requests = rows.reduce((sum, { value }) => sum + value.requestRate, 0)
  return {
    title: `${mesh}, the ${window.toLowerCase()} until ${to.slice(11, 19)}: ${toRateText(requests)} requests/s`,
    notes: toMissing(answer),
    view: {
      value: { from, to, stepSeconds, items: sorted.map(({ value }) => value), folded, unavailable },
      names: sorted.map(({ name }) => name),
      table: (paint) =>
        sorted.length === 0
          ? 'Nothing was called.'
          : toTable(
              [...headings, ...columns.headings, ...(hasCourse ? [window] : [])],
              sorted.map(({ cells, value, course }) => [
                ...cells(paint),
                ...columns.toCells(value, paint),
                ...(course ? [course(paint)] : []),
              ]),
            ),
    },
  }
}
