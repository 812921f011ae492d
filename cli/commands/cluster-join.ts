import { Option } from 'commander'
import type { Command } from 'commander'
import { AtollError } from '#api/atoll-error.ts'
import { createJoinToken, listClusters } from '#api/routes/clusters.ts'
import { clusterKind } from '#api/schemas/clusters.ts'
import type { Cluster, ClusterKind } from '#api/schemas/clusters.ts'
import { egressGateway, ingressGateway, istioNamespace } from '#mesh/kubernetes/installed-gateways.ts'
import type { InstalledGateway } from '#mesh/kubernetes/installed-gateways.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { refuseExistingAgent, writeAgentFiles } from '../cluster/agent-files.ts'
import { toGatewayAdvice } from '../cluster/gateway-advice.ts'
import { runAgent } from '../cluster/run-agent.ts'
import { waitForCluster } from '../cluster/wait-for-cluster.ts'
import { durationOption } from '../duration.ts'
import { addExamples } from '../examples.ts'
import { parseWholeNumber } from '../number-option.ts'
import { collect } from '../output/list-view.ts'
import { planeCaDescription, planeCaFlags } from '../kubernetes/plane-ca-option.ts'
import type { KubernetesJoinOptions } from '../kubernetes/join-kubernetes.ts'
import { printSecret } from '../print-secret.ts'
import { findProgramFiles } from '../program-files.ts'

interface JoinOptions extends KubernetesJoinOptions {
  readonly kind: ClusterKind
  readonly data?: string
  readonly directory?: string
  readonly xdsAddress?: string
  readonly httpAddress?: string
  readonly force?: true
  readonly run?: true
  readonly wait?: true
  readonly ingressGatewayNamespace?: string
  readonly egressGatewayNamespace?: string
}

export const defineClusterJoin = (group: Command, context: CliContext): void => {
  const command = group
    .command('join')
    .description(
      'Join a cluster: install the agent in a Kubernetes cluster (--context) and wait until it is in sync; or, outside Kubernetes, make a one-time token with which an agent joins, and optionally prepare and start it.',
    )
    .argument('<name>', 'of the cluster')
    .option(
      '--network <name>',
      'network that it is on: addresses of one network reach each other directly; with --context the default is the name of the cluster',
    )
    .option('--context <name>', 'Kubernetes: context of the kubeconfig; checks the cluster, installs, waits')
    .option('--dry-run', 'with --context: print the manifests and change nothing')
    .option('--image <name>', "with --context: the agent's image; default: atoll/agent with this command's version")
    .option('--proxy-image <name>', "with --context: the proxies' image; default: atoll/proxy, the same version")
    .option('--replicas <number>', 'with --context: of the agent and of each gateway; default: 2', parseWholeNumber)
    .option('--ingress-gateway', toGatewayDescription(ingressGateway))
    .option('--no-ingress-gateway', 'with --context: remove it; default: it stays as it is')
    .addOption(gatewayNamespaceOption('ingress', ingressGateway))
    .option('--egress-gateway', toGatewayDescription(egressGateway))
    .option('--no-egress-gateway', 'with --context: remove it; default: it stays as it is')
    .addOption(gatewayNamespaceOption('egress', egressGateway))
    .addOption(
      new Option(
        '--failure-policy <policy>',
        'with --context: what happens to new pods while no agent answers, they wait (fail, the default) or start without a proxy (ignore)',
      ).choices(['fail', 'ignore']),
    )
    .option('--revision <name>', 'with --context: of the injector, for istio.io/rev; default: default')
    .option('--plane <url>', "with --context: the plane's URL as pods reach it; default: the one you use")
    .option(planeCaFlags, `with --context: ${planeCaDescription}`)
    .option(
      '--telemetry-forward <file>',
      'with --context: YAML, the backends that are sent telemetry beside the plane; default: none',
    )
    .addOption(new Option('--kind <kind>', 'what it is').choices(clusterKind.options).default('universal'))
    .addOption(durationOption('--ttl <duration>', 'how long the token can be used', '1h'))
    .option('--data <folder>', "write agent.yaml and the token there: the agent's data folder")
    .option('--directory <folder>', 'with --data: the YAML that says what runs in the cluster; default: DATA/registry')
    .option('--xds-address <host:port>', 'with --data: where the agent serves its proxies')
    .option('--http-address <host:port>', 'with --data: where it serves health and metrics')
    .option(
      '--gateway <how...>',
      'with --data: host:port of the east-west gateways as other networks reach them; with --context: loadbalancer (the default), nodeport, none, or host:port of what leads to its node ports',
    )
    .option('--force', 'with --data: write over an agent.yaml that is there')
    .option('--run', 'with --data: start the agent in the foreground')
    .option('--wait', 'wait until the cluster is in sync')
    .addOption(durationOption('--timeout <duration>', 'how long to wait', '2m'))
    .action((name: string, options: JoinOptions) => join(context, name, options))
  addExamples(command, [
    ['atoll cluster join east --context east', 'installs in Kubernetes; again: upgrades'],
    ['atoll cluster join east --context east --dry-run > east.yaml', 'for GitOps'],
    ['atoll cluster join east --network east', 'shows the token, for an agent elsewhere'],
    ['atoll cluster join east --network east --data ./east-agent --directory ./east', 'writes east-agent/agent.yaml'],
    ['atoll cluster join east --network east --data ./east-agent --run --wait', 'and starts the agent here'],
  ])
}

const toGatewayDescription = ({ istio }: InstalledGateway): string =>
  `with --context: install a gateway that Gateways select by "istio: ${istio}"`

const gatewayNamespaceOption = (name: 'ingress' | 'egress', { namespace }: InstalledGateway): Option =>
  new Option(
    `--${name}-gateway-namespace <namespace>`,
    `with --context: install it there; in ${istioNamespace} YAML of Istio finds it by name, and the agent may read no Secrets; default: ${namespace}, or where it is`,
  ).choices([namespace, istioNamespace])

const join = async (context: CliContext, name: string, options: JoinOptions): Promise<void> => {
  const { context: kubernetesContext, data, run, wait } = options
  refuseUselessOptions(options)
  if (kubernetesContext !== undefined) {
    const { joinKubernetes } = await import('../kubernetes/join-kubernetes.ts')
    return joinKubernetes(context, name, { ...options, ...toGatewayWishes(options), context: kubernetesContext })
  }
  if (data !== undefined) refuseExistingAgent(data, options.force === true)
  const mesh = await context.mesh()
  const { kind, ttl } = options
  const network = requireNetwork(options)
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
  if (wait === true) tasks.push(waitAndTell(context, mesh, name, options.timeout, agentStopped.signal))
  await Promise.all(tasks)
}

/** Who says where a gateway is to be wants it. */
const toGatewayWishes = (options: JoinOptions): Pick<KubernetesJoinOptions, 'ingressGateway' | 'egressGateway'> => {
  const ingress = options.ingressGatewayNamespace ?? options.ingressGateway
  const egress = options.egressGatewayNamespace ?? options.egressGateway
  return {
    ...(ingress !== undefined && { ingressGateway: ingress }),
    ...(egress !== undefined && { egressGateway: egress }),
  }
}

const waitAndTell = async (
  context: CliContext,
  mesh: string,
  cluster: string,
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<void> => {
  if (await waitForCluster(context, { mesh, cluster, timeoutSeconds, signal }))
    context.note(`Cluster ${cluster} is in sync`)
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

const requireNetwork = ({ network }: JoinOptions): string => {
  if (network !== undefined) return network
  throw new CliError('usage', 'It is not said which network the cluster is on', { remedy: 'Say --network NAME.' })
}

const refuseUselessOptions = (options: JoinOptions): void => {
  const { directory, xdsAddress, httpAddress, gateway, force, run } = options
  const ofUniversal = [options.data, directory, xdsAddress, httpAddress, force, run]
  const { dryRun, image, proxyImage, replicas, failurePolicy, revision, plane, planeCa, telemetryForward } = options
  const { ingressGateway, ingressGatewayNamespace, egressGateway, egressGatewayNamespace } = options
  const ofKubernetes = [
    dryRun,
    image,
    proxyImage,
    replicas,
    failurePolicy,
    revision,
    plane,
    planeCa,
    telemetryForward,
    ingressGateway,
    ingressGatewayNamespace,
    egressGateway,
    egressGatewayNamespace,
  ]
  const isSaid = (option: unknown) => option !== undefined
  for (const [name, gateway, namespace] of [
    ['ingress', ingressGateway, ingressGatewayNamespace],
    ['egress', egressGateway, egressGatewayNamespace],
  ] as const)
    if (gateway === false && namespace !== undefined)
      throw new CliError('usage', `--no-${name}-gateway removes what --${name}-gateway-namespace installs`)
  if (options.context !== undefined && ofUniversal.some(isSaid)) {
    throw new CliError('usage', 'A Kubernetes cluster (--context) takes no option that goes with --data')
  }
  if (options.context === undefined && ofKubernetes.some(isSaid)) {
    throw new CliError('usage', 'There is no Kubernetes cluster to install in', { remedy: 'Say --context NAME.' })
  }
  if (options.context !== undefined || options.data !== undefined) return
  if (![...ofUniversal, gateway].some(isSaid)) return
  throw new CliError('usage', "There is no folder for the agent's configuration", { remedy: 'Say --data FOLDER.' })
}
