import type { Command } from 'commander'
import type { OutputOf } from '#api/client.ts'
import { deleteOrg, getUsage } from '#api/routes/plane.ts'
import { getSignIn, removeSignIn, setSignIn } from '#api/routes/sign-in.ts'
import type { CliContext } from '../cli-context.ts'
import { confirmByName } from '../confirm.ts'
import { addExamples } from '../examples.ts'
import { toFields, toTable } from '../output/table.ts'
import type { View } from '../output/view.ts'
import { readSecret } from '../secret-input.ts'

interface SignInOptions {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecretStdin?: true
  readonly planeUrl?: string
  readonly allowDevice?: true
}

const defineSignIn = (group: Command, context: CliContext): void => {
  addExamples(
    group
      .command('set')
      .description('Let members sign in with an OpenID provider, at which the plane is a client.')
      .requiredOption('--issuer <url>', 'the provider')
      .requiredOption('--client-id <id>', 'what it calls the plane')
      .option('--client-secret-stdin', 'read the client secret from the standard input; otherwise there is none')
      .option(
        '--allow-device',
        'also with a code that people type in a browser elsewhere: "atoll login --oidc --device"',
      )
      .option('--plane-url <url>', 'where browsers reach the plane, if not where you do')
      .action((options: SignInOptions) => setProvider(context, options)),
    [
      [
        'atoll org sign-in set --issuer https://accounts.example.com --client-id atoll --client-secret-stdin < secret',
        'a confidential client',
      ],
    ],
  )
  addExamples(
    group
      .command('show')
      .description('Show the identity provider, and the redirect URI that it has to know.')
      .action(async () => context.print(toProviderView(await context.client().call(getSignIn, {})))),
    [['atoll org sign-in show', 'never its secret']],
  )
  addExamples(
    group
      .command('remove')
      .description('Let nobody sign in any more; tokens of sign-ins end at once.')
      .action(() => removeProvider(context)),
    [['atoll org sign-in remove', 'members stay, and can sign in when there is a provider again']],
  )
}

const toProviderView = (provider: OutputOf<typeof getSignIn>): View => ({
  value: provider,
  names: [provider.issuer],
  table: () =>
    toFields([
      ['Issuer', provider.issuer],
      ['Client', `${provider.clientId} (${provider.confidential ? 'confidential' : 'public'})`],
      ['Redirect URI', provider.redirectUri],
      ['Other devices', provider.allowsDevice ? 'allowed' : 'not allowed'],
    ]),
})

const setProvider = async (context: CliContext, options: SignInOptions): Promise<void> => {
  const { issuer, clientId, planeUrl = context.connection().url } = options
  const secret = options.clientSecretStdin === true ? await readSecret(context, 'client secret', true) : undefined
  const json = {
    issuer,
    clientId,
    allowDevice: options.allowDevice === true,
    planeUrl,
    ...(secret && { clientSecret: secret }),
  }
  await context.print(toProviderView(await context.client().call(setSignIn, { json })))
}

const removeProvider = async (context: CliContext): Promise<void> => {
  await context.client().call(removeSignIn, {})
  await context.print({ value: { removed: true }, names: [], table: () => 'Nobody can sign in any more' })
}

export const defineOrg = (group: Command, context: CliContext): void => {
  defineSignIn(
    group.command('sign-in').description("The org's identity provider, with which members sign in.").helpCommand(false),
    context,
  )
  addExamples(
    group
      .command('usage')
      .description('Show how much of its limits the org uses: meshes, clusters, tokens, members, requests.')
      .action(async () => context.print(toUsageView(await context.client().call(getUsage, {})))),
    [['atoll org usage', 'requests are those of the last minute']],
  )
  addExamples(
    group
      .command('delete')
      .description('Delete the org with its tokens, audit and archive. The plane can be set up again then.')
      .argument('<name>')
      .option('--yes', 'do not ask')
      .action((name: string, options: { readonly yes?: true }) => remove(context, name, options)),
    [['atoll org delete acme', 'after its meshes were deleted']],
  )
}

const toUsageView = (shown: OutputOf<typeof getUsage>): View => ({
  value: shown,
  names: shown.quotas.map(({ name }) => name),
  table: () =>
    toTable(
      ['WHAT', 'USED', 'LIMIT', 'BEYOND IT'],
      [
        ...shown.quotas.map(({ name, mesh, used, limit }) => [
          mesh === undefined ? name : `${name} of ${mesh}`,
          String(used),
          String(limit),
          'limit_reached',
        ]),
        ...shown.requests.map(({ name, used, limit, windowSeconds }) => [
          name === 'token' ? 'requests of this token' : `requests of the ${name}`,
          String(used),
          `${limit} in ${windowSeconds} s`,
          'rate_limited',
        ]),
      ],
    ),
})

const remove = async (context: CliContext, name: string, options: { readonly yes?: true }): Promise<void> => {
  const consequence = `Org ${name} will be gone with its tokens, the one that you are signed in with too, its audit and its archive`
  await confirmByName(context, name, consequence, options)
  const { url, token } = context.connection()
  await context.clientOf(url, token).call(deleteOrg, { query: { name } })
  const stored = context.profile()
  if (stored.profile?.token === token) context.profiles.remove(stored.name)
  await context.print({ value: { name, deleted: true }, names: [name], table: () => `Org ${name} is gone` })
}
