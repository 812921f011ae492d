import { Option } from 'commander'
import type { Command } from 'commander'
import { AtollError } from '#api/atoll-error.ts'
import { createJoinToken, listClusters } from '#api/routes/clusters.ts'
import { clusterKind } from '#api/schemas/clusters.ts'
import type { Cluster, ClusterKind } from '#api/schemas/clusters.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { refuseExistingAgent, writeAgentFiles } from '../cluster/agent-files.ts'
import { toGatewayAdvice } from '../cluster/gateway-advice.ts'
import { runAgent } from '../cluster/run-agent.ts'
import { waitForCluster } from '../cluster/wait-for-cluster.ts'
import { durationOption } from '../duration.ts'
import { addExamples } from '../examples.ts'
import { collect } from '../output/list-view.ts'
import { printSecret } from '../print-secret.ts'
import { findProgramFiles } from '../program-files.ts'

interface JoinOptions {
  readonly network: string
  readonly kind: ClusterKind
  readonly ttl: number
  readonly data?: string
  readonly directory?: string
  readonly xdsAddress?: string
  readonly httpAddress?: string
  readonly gateway?: readonly string[]
  readonly force?: true
  readonly run?: true
  readonly wait?: true
  readonly timeout: number
}

export const defineClusterJoin = (group: Command, context: CliContext): void => {
  const command = group
    .command('join')
    .description(
      'Make a one-time token with which an agent joins the mesh, and optionally prepare and start the agent.',
    )
    .argument('<name>', 'of the cluster')
    .requiredOption('--network <name>', 'network that it is on: addresses of one network reach each other directly')
    .addOption(new Option('--kind <kind>', 'what it is').choices(clusterKind.options).default('universal'))
    .addOption(durationOption('--ttl <duration>', 'how long the token can be used', '1h'))
    .option('--data <folder>', "write agent.yaml and the token there: the agent's data folder")
    .option('--directory <folder>', 'with --data: the YAML that says what runs in the cluster; default: DATA/registry')
    .option('--xds-address <host:port>', 'with --data: where the agent serves its proxies')
    .option('--http-address <host:port>', 'with --data: where it serves health and metrics')
    .option('--gateway <host:port...>', 'with --data: east-west gateways as other networks reach them')
    .option('--force', 'with --data: write over an agent.yaml that is there')
    .option('--run', 'with --data: start the agent in the foreground')
    .option('--wait', 'wait until the cluster is in sync')
    .addOption(durationOption('--timeout <duration>', 'how long to wait', '2m'))
    .action((name: string, options: JoinOptions) => join(context, name, options))
  addExamples(command, [
    ['atoll cluster join east --network east', 'shows the token, for an agent elsewhere'],
    ['atoll cluster join east --network east --data ./east-agent --directory ./east', 'writes east-agent/agent.yaml'],
    ['atoll cluster join east --network east --data ./east-agent --run --wait', 'and starts the agent here'],
  ])
}

const join = async (context: CliContext, name: string, options: JoinOptions): Promise<void> => {
  const { data, run, wait } = options
  refuseUselessOptions(options)
  if (data !== undefined) refuseExistingAgent(data, options.force === true)
  const mesh = await context.mesh()
  const { network, kind, ttl } = options
  const clusters = await listVisibleClusters(context, mesh)
  const made = await context
    .client()
    .call(createJoinToken, { params: { mesh }, json: { cluster: name, network, kind, ttlSeconds: ttl } })

  const agentStopped = new AbortController()
  const tasks: Promise<void>[] = []
  if (data === undefined) {
    await printSecret(context, made, undefined, `Join token for cluster ${name}, once and until ${made.expiresAt}`)
  } else {
    const config = writeAgentFiles(
      data,
      {
        plane: context.connection().url,
        directory: options.directory ?? `${data}/registry`,
        xdsAddress: options.xdsAddress,
        httpAddress: options.httpAddress,
        gateways: options.gateway,
      },
      made.secret,
    )
    const start = findProgramFiles().run(`atoll-agent run --config ${config}`)
    await context.print({
      value: { cluster: name, config, expiresAt: made.expiresAt, start },
      names: [name],
      table: () =>
        `Cluster ${name} can join until ${made.expiresAt}. ${run === true ? 'Starting' : 'Start'} its agent with\n  ${start}`,
    })
    if (run === true) tasks.push(runAgent(config).finally(() => agentStopped.abort()))
  }
  for (const line of toGatewayAdvice({ name, network, hasGateway: options.gateway !== undefined }, clusters))
    context.note(line)
  if (wait === true)
    tasks.push(
      waitForCluster(context, { mesh, cluster: name, timeoutSeconds: options.timeout, signal: agentStopped.signal }),
    )
  await Promise.all(tasks)
}

/** None for a token that is confined to one cluster: it may make this one's join token, but not see the others. */
const listVisibleClusters = async (context: CliContext, mesh: string): Promise<readonly Cluster[]> => {
  try {
    return await collect(context.client().list(listClusters, { params: { mesh } }))
  } catch (error) {
    if (error instanceof AtollError && error.code === 'forbidden') return []
    throw error
  }
}

const refuseUselessOptions = (options: JoinOptions): void => {
  if (options.data !== undefined) return
  const { directory, xdsAddress, httpAddress, gateway, force, run } = options
  if ([directory, xdsAddress, httpAddress, gateway, force, run].every((option) => option === undefined)) return
  throw new CliError('usage', "There is no folder for the agent's configuration", { remedy: 'Say --data FOLDER.' })
}
