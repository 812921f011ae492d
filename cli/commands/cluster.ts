import type { Command } from 'commander'
import { confirmHold, evictCluster, getCluster, listClusters } from '#api/routes/clusters.ts'
import { MAX_TROUBLED_OBJECTS, type Cluster } from '#api/schemas/clusters.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { confirmByName } from '../confirm.ts'
import { toRoughDuration } from '../duration.ts'
import { addExamples } from '../examples.ts'
import type { Paint } from '../output/colour.ts'
import { collect, toListView } from '../output/list-view.ts'
import { toFields } from '../output/table.ts'
import { defineClusterJoin } from './cluster-join.ts'
import { defineClusterUninstall } from './cluster-uninstall.ts'

export const defineCluster = (group: Command, context: CliContext): void => {
  defineClusterJoin(group, context)
  defineClusterUninstall(group, context)
  addExamples(
    group
      .command('list')
      .description('List the clusters and whether their agents are connected.')
      .action(() => list(context)),
    [['atoll cluster list', 'of the mesh in use']],
  )
  addExamples(
    group
      .command('show')
      .description('Show a cluster: its agent, gateways, and what is held.')
      .argument('<name>')
      .action((name: string) => show(context, name)),
    [['atoll cluster show east', 'one cluster']],
  )
  addExamples(
    group
      .command('evict')
      .description('Take a cluster out of the mesh: it is trusted no more and existing connections are closed.')
      .argument('<name>')
      .option('--yes', 'do not ask')
      .action((name: string, options: { readonly yes?: true }) => evict(context, name, options)),
    [['atoll cluster evict west', 'asks first']],
  )
  addExamples(
    group
      .command('confirm')
      .description('Let a step go on that is held until a person has looked at it.')
      .argument('<name>')
      .argument('[hold]', 'its id, when several are held')
      .action((name: string, hold?: string) => confirm(context, name, hold)),
    [
      ['atoll cluster show east', 'says what is held, and why'],
      ['atoll cluster confirm east', 'lets it go on'],
    ],
  )
}

const toStateText = (cluster: Cluster, paint: Paint): string => {
  if (cluster.holds.length > 0) return paint('yellow', 'held')
  if (!cluster.connected) return paint('red', 'disconnected')
  return cluster.contribution === 'live' ? paint('green', 'connected') : paint('yellow', cluster.contribution)
}

const list = async (context: CliContext): Promise<void> => {
  const mesh = await context.mesh()
  const clusters = await collect(context.client().list(listClusters, { params: { mesh } }))
  await context.print(
    toListView(clusters, {
      headings: ['NAME', 'NETWORK', 'KIND', 'STATE', 'REPLICAS', 'SERVICES', 'ENDPOINTS', 'GATEWAYS'],
      row: (cluster, paint) => [
        cluster.name,
        cluster.network,
        cluster.kind,
        toStateText(cluster, paint),
        String(cluster.replicas.length),
        String(cluster.services),
        String(cluster.endpoints),
        String(cluster.gateways.length),
      ],
      name: (cluster) => cluster.name,
      empty: `Mesh ${mesh} has no clusters yet. Join one with "atoll cluster join NAME --network NETWORK".`,
    }),
  )
}

const show = async (context: CliContext, name: string): Promise<void> => {
  const cluster = await context.client().call(getCluster, { params: { mesh: await context.mesh(), cluster: name } })
  const lastSeen =
    cluster.lastSeenAt === null ? 'never' : `${toRoughDuration(context.io.now() - Date.parse(cluster.lastSeenAt))} ago`
  await context.print({
    value: cluster,
    names: [cluster.name],
    table: (paint) =>
      toFields([
        ['Name', cluster.name],
        ['Network', cluster.network],
        ['Kind', cluster.kind],
        ['State', toStateText(cluster, paint)],
        ['Last seen', cluster.connected ? 'now' : lastSeen],
        ['Contribution', cluster.contribution],
        ['Services', `${cluster.services} with ${cluster.endpoints} endpoints`],
        ['Certificate', cluster.certificateExpiresAt === null ? 'none' : `until ${cluster.certificateExpiresAt}`],
        ['Joined', cluster.joinedAt],
        ...cluster.replicas.map(
          ({ replica, agentVersion, reporter }) =>
            ['Agent', `${replica} (version ${agentVersion}${reporter ? ', reporter' : ''})`] as const,
        ),
        ...toObjectsFields(cluster, paint),
        ...toGatewayTexts(cluster).map((text) => ['Gateway', text] as const),
        ...cluster.probes
          .filter((probe) => !probe.reachable)
          .map(({ from, address, port }) => ['Probe', `${from} cannot reach ${address}:${port}`] as const),
        ...cluster.holds.map(({ id, kind, reason }) => ['Held', paint('yellow', `${kind} ${id}: ${reason}`)] as const),
      ]),
  })
}

/** Nothing where the agent or the plane does not tell yet. */
const toObjectsFields = (
  { objectProblems: count, troubledObjects = [] }: Cluster,
  paint: Paint,
): [string, string][] => {
  if (count === undefined || count === null) return []
  if (count === 0) return [['Objects', "nothing is wrong with the mesh's"]]
  const things = count === 1 ? 'thing is' : 'things are'
  const text = [`${count} ${things} wrong with the mesh's`, toNames(troubledObjects)].filter(Boolean).join(' ')
  return [['Objects', paint('yellow', `${text}: "atoll get KIND NAME -n NAMESPACE" says what`)]]
}

const MAX_NAMED = 5

const toNames = (keys: readonly string[]): string => {
  const names = keys.slice(0, MAX_NAMED).map((key) => key.replace('/', ' '))
  const more = keys.length - names.length
  const many = keys.length < MAX_TROUBLED_OBJECTS ? '' : 'at least '
  return [...names, ...(more > 0 ? [`and ${many}${more} more`] : [])].join(', ')
}

const toGatewayTexts = ({ gateways }: Cluster): string[] =>
  gateways.length === 0
    ? ['none: other networks cannot reach what runs here']
    : gateways.map(({ address, port }) => `${address}:${port}`)

const evict = async (context: CliContext, name: string, options: { readonly yes?: true }): Promise<void> => {
  const mesh = await context.mesh()
  await confirmByName(
    context,
    name,
    `Cluster ${name} will be out of mesh ${mesh}; it has to be joined again to come back`,
    options,
  )
  await context.client().call(evictCluster, { params: { mesh, cluster: name } })
  await context.print({
    value: { name, evicted: true },
    names: [name],
    table: () => `Cluster ${name} is out of mesh ${mesh}`,
  })
}

const confirm = async (context: CliContext, name: string, wanted: string | undefined): Promise<void> => {
  const mesh = await context.mesh()
  const hold = wanted ?? (await onlyHold(context, mesh, name))
  await context.client().call(confirmHold, { params: { mesh, cluster: name }, json: { hold } })
  await context.print({
    value: { cluster: name, hold },
    names: [hold],
    table: () => `Confirmed: cluster ${name} goes on`,
  })
}

const onlyHold = async (context: CliContext, mesh: string, cluster: string): Promise<string> => {
  const { holds } = await context.client().call(getCluster, { params: { mesh, cluster } })
  const [first, second] = holds
  if (first === undefined) throw new CliError('notFound', `Nothing is held in cluster ${cluster}`)
  if (second !== undefined) {
    throw new CliError('usage', `Several steps are held in cluster ${cluster}`, {
      remedy: `Name one: ${holds.map((hold) => hold.id).join(', ')}.`,
    })
  }
  return first.id
}
