import type { Command } from 'commander'
import { getMeshGraph } from '#api/routes/metrics.ts'
import type { CliContext } from '../cli-context.ts'
import { addExamples } from '../examples.ts'
import { selectService, toCallTree } from '../telemetry/call-tree.ts'
import { toDot } from '../telemetry/graph-dot.ts'
import { addWindow, toMissing } from '../telemetry/metrics-window.ts'

interface GraphOptions {
  readonly window: number
  readonly cluster?: string
  readonly service?: string
}

export const defineGraph = (command: Command, context: CliContext): void => {
  addWindow(
    command.option(
      '--service <name>',
      'only this service (a short name, NAME.NAMESPACE, or a host name): who calls it, and what it calls itself',
    ),
  ).action((options: GraphOptions) => draw(context, options))
  command.addHelpText(
    'after',
    '\nEach call is shown once; where "…" stands, what is called further is elsewhere in the tree.',
  )
  addExamples(command, [
    ['atoll graph', 'all calls of the last 15 minutes'],
    ['atoll graph --service reviews --window 1d', 'what is around one service'],
    ['atoll graph -o dot | dot -Tsvg > mesh.svg', 'as a picture, by Graphviz'],
  ])
}

const draw = async (context: CliContext, { window, cluster, service }: GraphOptions): Promise<void> => {
  const mesh = await context.mesh()
  const query = { window, ...(cluster !== undefined && { cluster }) }
  const whole = await context.client().call(getMeshGraph, { params: { mesh }, query })
  const graph = service === undefined ? whole : selectService(whole, service)
  for (const note of toMissing(whole)) context.note(note)
  await context.print({
    value: graph,
    names: graph.nodes.map(({ id }) => id),
    dot: toDot(mesh, graph),
    table: (paint) => (graph.edges.length === 0 ? 'Nothing was called.' : toCallTree(graph, paint)),
  })
}
