import type { Command } from 'commander'
import { listProxies } from '#api/routes/proxies.ts'
import type { ProxyPage, ShownProxy } from '#api/schemas/proxies.ts'

import type { CliContext } from '../cli-context.ts'
import { addExamples } from '../examples.ts'
import type { Paint } from '../output/colour.ts'
import { toListView } from '../output/list-view.ts'

export const defineProxies = (command: Command, context: CliContext): void => {
  command
    .option('--cluster <name>', 'only of this cluster')
    .action((options: { readonly cluster?: string }) => list(context, options.cluster))
  addExamples(command, [
    ['atoll proxies', 'of all clusters'],
    ['atoll proxies --cluster east -o json', 'with the state of each resource type'],
  ])
}

const toStateText = ({ synced, nacks }: ShownProxy, paint: Paint): string => {
  if (nacks.length > 0) return paint('red', 'refused')
  return synced ? paint('green', 'synced') : paint('yellow', 'pending')
}

export interface FoundProxies {
  readonly proxies: readonly ShownProxy[]
  /** Clusters whose agents did not answer: their proxies are missing. */
  readonly unavailable: ProxyPage['unavailable']
}

/** The proxies that the agents name; a word about each agent that did not answer. */
export const findProxies = async (context: CliContext, cluster: string | undefined): Promise<FoundProxies> => {
  const params = { mesh: await context.mesh() }
  const proxies: ShownProxy[] = []
  const unavailable = new Map<string, ProxyPage['unavailable'][number]>()
  for await (const page of context.client().pages(listProxies, { params, query: { cluster } })) {
    proxies.push(...page.items)
    for (const away of page.unavailable) unavailable.set(away.cluster, away)
  }
  for (const away of unavailable.values()) {
    context.note(
      `Cluster ${away.cluster}: ${away.reason === 'agent_timeout' ? 'its agent did not answer' : 'its agent is not connected'}`,
    )
  }
  return { proxies, unavailable: [...unavailable.values()] }
}

const list = async (context: CliContext, cluster: string | undefined): Promise<void> => {
  const { proxies, unavailable } = await findProxies(context, cluster)
  const view = toListView(proxies, {
    headings: ['CLUSTER', 'PROXY', 'STATE', 'REVISION', 'ENVOY', 'AGENT'],
    row: (proxy, paint) => [
      proxy.cluster,
      proxy.name,
      toStateText(proxy, paint),
      String(proxy.revision),
      proxy.envoyVersion,
      proxy.replica,
    ],
    name: (proxy) => proxy.name,
    empty: 'No proxy is connected.',
  })
  await context.print({ ...view, value: { items: proxies, unavailable } })
}
