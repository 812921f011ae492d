import type { Command } from 'commander'
import { getWhoami } from '#api/routes/plane.ts'
import type { CliContext } from '../cli-context.ts'
import { addExamples } from '../examples.ts'
import { toFields } from '../output/table.ts'
import { toExpiryText, warnOfExpiry } from '../token-expiry.ts'
import { toScopeText } from './token.ts'

export const defineWhoami = (command: Command, context: CliContext): void => {
  command.action(() => showWhoami(context))
  addExamples(command, [['atoll whoami -o json', 'for a script']])
}

const showWhoami = async (context: CliContext): Promise<void> => {
  const { url } = context.connection()
  const { org, token } = await context.client().call(getWhoami, {})
  await context.print({
    value: { url, org, token },
    names: [org],
    table: () =>
      toFields([
        ['Plane', url],
        ['Org', org],
        ['Token', `${token.name} (${token.id})`],
        ['Role', token.role],
        ['Scope', toScopeText(token.scopes)],
        ['Expires', toExpiryText(token, context.io.now())],
      ]),
  })
  warnOfExpiry(context, token)
}
