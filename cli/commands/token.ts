import { Option } from 'commander'
import type { Command } from 'commander'
import { createToken, listTokens, revokeToken } from '#api/routes/tokens.ts'
import { tokenRole } from '#api/schemas/tokens.ts'
import type { Token, TokenRole } from '#api/schemas/tokens.ts'
import type { CliContext } from '../cli-context.ts'
import { parseDurationSeconds } from '../duration.ts'
import { addExamples } from '../examples.ts'
import { collect, toListView } from '../output/list-view.ts'
import { ensureSecretFile, printSecret } from '../print-secret.ts'
import { toExpiryText, warnOfExpiries } from '../token-expiry.ts'

export const toScopeText = ({ mesh, cluster, namespace }: Token['scopes']): string =>
  [
    mesh === undefined ? 'the org' : `mesh ${mesh}`,
    ...(cluster === undefined ? [] : [`cluster ${cluster}`]),
    ...(namespace === undefined ? [] : [`namespace ${namespace}`]),
  ].join(', ')

export const defineToken = (group: Command, context: CliContext): void => {
  addExamples(
    group
      .command('create')
      .description('Make a token; its secret is shown this once.')
      .option('--name <text>', 'what it is for', 'unnamed')
      .addOption(new Option('--role <role>', 'what it may do').choices(tokenRole.options).default('viewer'))
      .option('--for-mesh <name>', 'confine it to a mesh')
      .option('--for-cluster <name>', 'confine it to a cluster of that mesh')
      .option('--for-namespace <name>', 'confine it to a namespace of that mesh: an editor or a viewer')
      .option('--ttl <duration>', 'how long it works, such as 30d', parseDurationSeconds)
      .option('--out <file>', 'write the secret there, readable by you alone, instead of showing it')
      .action((options: CreateOptions) => create(context, options)),
    [
      ['atoll token create --role viewer --name dashboards', 'may read'],
      ['atoll token create --role admin --for-mesh prod --ttl 1h --out ci-token', 'for a pipeline'],
      ['atoll token create --role editor --for-mesh prod --for-namespace shop', 'may write what is of one namespace'],
    ],
  )
  addExamples(
    group
      .command('list')
      .description('List the tokens; never their secrets.')
      .action(() => list(context)),
    [['atoll token list', 'all of the org']],
  )
  addExamples(
    group
      .command('revoke')
      .description('Make a token worthless at once.')
      .argument('<id>', 'its id, as in the list')
      .action((id: string) => revoke(context, id)),
    [['atoll token revoke 28563735adb2e961', 'by id']],
  )
}

interface CreateOptions {
  readonly name: string
  readonly role: TokenRole
  readonly forMesh?: string
  readonly forCluster?: string
  readonly forNamespace?: string
  readonly ttl?: number
  readonly out?: string
}

const create = async (
  context: CliContext,
  { name, role, forMesh, forCluster, forNamespace, ttl, out }: CreateOptions,
): Promise<void> => {
  const scopes = {
    ...(forMesh && { mesh: forMesh }),
    ...(forCluster && { cluster: forCluster }),
    ...(forNamespace && { namespace: forNamespace }),
  }
  ensureSecretFile(out)
  const made = await context
    .client()
    .call(createToken, { json: { name, role, scopes, ...(ttl !== undefined && { expiresInSeconds: ttl }) } })
  await printSecret(
    context,
    made,
    out,
    `Token ${made.id} (${role} of ${toScopeText(made.scopes)}), good until ${made.expiresAt}`,
  )
}

const list = async (context: CliContext): Promise<void> => {
  const tokens = await collect(context.client().list(listTokens, {}))
  const nowMs = context.io.now()
  await context.print(
    toListView(tokens, {
      headings: ['ID', 'NAME', 'ROLE', 'SCOPE', 'EXPIRES'],
      row: (token) => [token.id, token.name, token.role, toScopeText(token.scopes), toExpiryText(token, nowMs)],
      name: (token) => token.id,
      empty: 'There are no tokens.',
    }),
  )
  warnOfExpiries(context, tokens, {
    what: 'the token',
    name: ({ id, name }) => `${name} (${id})`,
    make: 'atoll token create',
  })
}

const revoke = async (context: CliContext, id: string): Promise<void> => {
  await context.client().call(revokeToken, { params: { id } })
  await context.print({ value: { id, revoked: true }, names: [id], table: () => `Token ${id} works no more` })
}
