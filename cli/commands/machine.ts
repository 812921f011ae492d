import { Option } from 'commander'
import type { Command } from 'commander'
import { createMachineToken, listMachineTokens, revokeMachineToken } from '#api/routes/machine-tokens.ts'
import { machineToken, type MachineToken } from '#mesh/state.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { parseDurationSeconds } from '../duration.ts'
import { addExamples } from '../examples.ts'
import { collect, toListView } from '../output/list-view.ts'
import { ensureSecretFile, printSecret } from '../print-secret.ts'
import { toExpiryText, warnOfExpiries } from '../token-expiry.ts'

interface CreateOptions {
  readonly cluster: string
  readonly role: MachineToken['role']
  readonly namespace: string
  readonly serviceAccount: string
  readonly workload?: string
  readonly group?: string
  readonly ttl?: number
  readonly out?: string
}

export const defineMachine = (group: Command, context: CliContext): void => {
  const token = group.command('token').description('Tokens that say what the proxy on a machine is.').helpCommand(false)
  addExamples(
    token
      .command('create')
      .description('Make the token of one proxy, or of the machines of one group; its secret is shown this once.')
      .requiredOption('--cluster <name>', 'the cluster whose agent the proxy will connect to')
      .addOption(
        new Option('--role <role>', 'what it is').choices(machineToken.unwrap().shape.role.options).default('sidecar'),
      )
      .option('--namespace <name>', 'of the workload', 'default')
      .requiredOption('--service-account <name>', 'the identity that the workload has in the mesh')
      .option('--workload <name>', 'its WorkloadEntry, or the name of the gateway')
      .addOption(
        new Option(
          '--group <name>',
          'instead of --workload: the WorkloadGroup whose machines may all hold it',
        ).conflicts('workload'),
      )
      .option('--ttl <duration>', 'how long it works, such as 30d', parseDurationSeconds)
      .option('--out <file>', 'write the secret there, readable by you alone, instead of showing it')
      .action((options: CreateOptions) => create(context, options)),
    [
      [
        'atoll machine token create --cluster east --service-account reviews --workload reviews-v1 --out reviews-v1/token',
        'for a sidecar',
      ],
      [
        'atoll machine token create --cluster east --service-account reviews --group reviews --out token',
        'for the machines of a WorkloadGroup, which come and go',
      ],
      [
        'atoll machine token create --cluster east --role east-west-gateway --service-account gateway --workload gateway',
        'for a gateway between networks',
      ],
      [
        'atoll machine token create --cluster east --role gateway --service-account ingress --workload ingress-1 --out token',
        'for a gateway that Gateway objects select',
      ],
    ],
  )
  addExamples(
    token
      .command('list')
      .description('List the machine tokens of a cluster; never their secrets.')
      .requiredOption('--cluster <name>', 'the cluster that it is for')
      .action((options: { readonly cluster: string }) => list(context, options.cluster)),
    [['atoll machine token list --cluster east', 'who may connect']],
  )
  addExamples(
    token
      .command('revoke')
      .description('Make a machine token worthless: its proxy gets no more configuration and no new certificate.')
      .argument('<id>')
      .requiredOption('--cluster <name>', 'the cluster that it is for')
      .action((id: string, options: { readonly cluster: string }) => revoke(context, options.cluster, id)),
    [['atoll machine token revoke mt_4f9a --cluster east', 'by id']],
  )
}

const create = async (context: CliContext, options: CreateOptions): Promise<void> => {
  const { cluster, role, namespace, serviceAccount, group, workload = group, ttl, out } = options
  if (workload === undefined)
    throw new CliError('usage', 'Nothing says whose token it is', { remedy: 'Say --workload or --group.' })
  const json = {
    role,
    namespace,
    serviceAccount,
    workload,
    ...(group !== undefined && { group: true }),
    ...(ttl !== undefined && { ttlSeconds: ttl }),
  }
  ensureSecretFile(out)
  const made = await context
    .client()
    .call(createMachineToken, { params: { mesh: await context.mesh(), cluster }, json })
  await printSecret(
    context,
    made,
    out,
    `Machine token ${made.id} for ${group === undefined ? role : 'the group'} ${namespace}/${workload} in ${cluster}, good until ${made.expiresAt}`,
  )
}

const list = async (context: CliContext, cluster: string): Promise<void> => {
  const params = { mesh: await context.mesh(), cluster }
  const tokens = await collect(context.client().list(listMachineTokens, { params }))
  const nowMs = context.io.now()
  await context.print(
    toListView(tokens, {
      headings: ['ID', 'ROLE', 'NAMESPACE', 'WORKLOAD', 'SERVICE ACCOUNT', 'EXPIRES'],
      row: (token) => [
        token.id,
        token.role,
        token.namespace,
        token.group ? `${token.workload} (group)` : token.workload,
        token.serviceAccount,
        toExpiryText(token, nowMs),
      ],
      name: (token) => token.id,
      empty: `Cluster ${cluster} has no machine tokens.`,
    }),
  )
  warnOfExpiries(context, tokens, {
    what: 'the machine token of',
    name: ({ namespace, workload }) => `${namespace}/${workload}`,
    make: `atoll machine token create --cluster ${cluster}`,
  })
}

const revoke = async (context: CliContext, cluster: string, id: string): Promise<void> => {
  await context.client().call(revokeMachineToken, { params: { mesh: await context.mesh(), cluster, id } })
  await context.print({ value: { id, revoked: true }, names: [id], table: () => `Machine token ${id} works no more` })
}
