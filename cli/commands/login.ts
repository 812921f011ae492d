import type { Command } from 'commander'
import { AtollError } from '#api/atoll-error.ts'
import { getWhoami, setup } from '#api/routes/plane.ts'
import { toOrigin } from '../cli-context.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'
import { readSecret } from '../secret-input.ts'
import { toExpiryText, warnOfExpiry } from '../token-expiry.ts'

interface LoginOptions {
  readonly tokenStdin?: true
  readonly setupTokenStdin?: true
  readonly setup?: true
  readonly org?: string
  readonly oidc?: true
  readonly device?: true
}

export const defineLogin = (command: Command, context: CliContext): void => {
  command
    .option('--token-stdin', 'read the token from the standard input; otherwise it is asked for')
    .option('--setup', 'make the first org of a new plane with its set-up token, which is asked for')
    .option('--setup-token-stdin', 'the same, with the set-up token from the standard input')
    .option('--oidc', 'sign in at the identity provider of the org, in a browser')
    .option('--device', 'with --oidc: in a browser anywhere, with a code that is shown here')
    .option('--org <name>', 'name of the first org, or of the one to sign in to with --oidc')
    .action((options: LoginOptions) => logIn(context, options))
  addExamples(command, [
    ['atoll login --url https://atoll.example.com', 'asks for a token, without echo'],
    ['atoll login --url https://atoll.example.com --oidc --org acme', 'at the org’s identity provider'],
    ['atoll login --url https://atoll.example.com --oidc --device --org acme', 'on a machine without a browser'],
    ['atoll login --url http://127.0.0.1:8787 --setup --org acme', 'the first time'],
    ['atoll login --url "$URL" --token-stdin < token', 'in a script'],
    [
      'atoll login --profile staging --url https://staging.example.com',
      'a second plane; its profile is the current one from then on',
    ],
  ])
}

const logIn = async (context: CliContext, options: LoginOptions): Promise<void> => {
  const { name, profile } = context.profile()
  const given = context.options.url ?? context.io.env['ATOLL_URL'] ?? profile?.url
  if (given === undefined) throw new CliError('usage', 'Which plane?', { remedy: 'Say --url https://…' })
  const url = toOrigin(given, context.options.url === undefined ? undefined : '--url')
  if (options.device === true && options.oidc !== true)
    throw new CliError('usage', '--device is a way to sign in with --oidc', { remedy: 'Say --oidc --device.' })
  context.profiles.ensureWritable()
  const isSetup = options.setup === true || options.setupTokenStdin === true
  const { org, token, secret } = isSetup
    ? await setUp(context, url, options)
    : options.oidc
      ? await signIn(context, url, options)
      : await checkToken(context, url, options)
  context.profiles.save(name, {
    url,
    org,
    token: secret,
    ...(profile?.url === url && profile.org === org ? { mesh: profile.mesh } : {}),
  })
  context.profiles.use(name)
  await context.print({
    value: { profile: name, url, org, expiresAt: token.expiresAt },
    names: [name],
    table: () =>
      `Signed in to ${url} as org ${org} (profile ${name} in ${context.profiles.path})\n` +
      `The token ends ${toExpiryText(token, context.io.now())}`,
  })
  warnOfExpiry(context, token)
}

const setUp = async (context: CliContext, url: string, options: LoginOptions) => {
  if (options.org === undefined)
    throw new CliError('usage', 'The first org needs a name', { remedy: 'Say --org NAME.' })
  const setupToken = await readSecret(context, 'Set-up token', options.setupTokenStdin === true)
  const made = await context.clientOf(url, undefined).call(setup, { json: { setupToken, org: options.org } })
  return { org: made.org, token: made.token, secret: made.token.secret }
}

const signIn = async (context: CliContext, url: string, { org, device }: LoginOptions) => {
  if (org === undefined) throw new CliError('usage', 'Which org?', { remedy: 'Say --org NAME.' })
  if (device === true) {
    const { signInByDevice } = await import('../device-sign-in.ts')
    return signInByDevice(context, url, org)
  }
  const { signInByBrowser } = await import('../browser-sign-in.ts')
  return signInByBrowser(context, url, org)
}

const checkToken = async (context: CliContext, url: string, options: LoginOptions) => {
  const secret = await readSecret(context, 'Token', options.tokenStdin === true)
  try {
    return { ...(await context.clientOf(url, secret).call(getWhoami, {})), secret }
  } catch (error) {
    if (!(error instanceof AtollError) || error.code !== 'unauthenticated') throw error
    throw new CliError('refused', `${url} does not take this token: it is wrong, expired or revoked`, {
      remedy: 'Have another made: "atoll token create", by somebody who is signed in.',
      cause: error,
    })
  }
}
