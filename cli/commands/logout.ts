import type { Command } from 'commander'
import { getWhoami } from '#api/routes/plane.ts'
import { revokeToken } from '#api/routes/tokens.ts'
import type { CliContext } from '../cli-context.ts'
import { CliError } from '../cli-error.ts'
import { addExamples } from '../examples.ts'

export const defineLogout = (command: Command, context: CliContext): void => {
  command
    .option('--revoke', 'make the token worthless at the plane, too')
    .action((options: { readonly revoke?: true }) => logOut(context, options.revoke === true))
  addExamples(command, [
    ['atoll logout', 'forget the current profile'],
    ['atoll logout --profile staging --revoke', 'and revoke its token'],
  ])
}

const logOut = async (context: CliContext, revoke: boolean): Promise<void> => {
  const { name, profile } = context.profile()
  if (profile === undefined) throw new CliError('notFound', `There is no profile ${name} in ${context.profiles.path}`)
  if (revoke) {
    const client = context.clientOf(profile.url, profile.token)
    const { token } = await client.call(getWhoami, {})
    await client.call(revokeToken, { params: { id: token.id } })
  }
  context.profiles.remove(name)
  await context.print({
    value: { profile: name, revoked: revoke },
    names: [name],
    table: () => `Signed out of ${profile.url} (profile ${name})`,
  })
}
