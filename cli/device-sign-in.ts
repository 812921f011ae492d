import { beginDeviceSignIn, redeemDeviceSignIn } from '#api/routes/sign-in.ts'
import type { CliContext } from './cli-context.ts'
import { CliError } from './cli-error.ts'

const SLOWER_SECONDS = 5

/** Signs a person in through the identity provider of their org, in a browser on whatever device, with a code that is shown here (RFC 8628). */
export const signInByDevice = async (context: CliContext, url: string, org: string) => {
  const client = context.clientOf(url, undefined)
  const { deviceCode, userCode, verificationUri, expiresAt, intervalSeconds } = await client.call(beginDeviceSignIn, {
    json: { org },
  })
  // Without the address that has the code in it: who types it has seen both.
  context.note(
    `Open ${verificationUri} in a browser, and type there: ${userCode}\nType no code that somebody has sent you.`,
  )
  for (let seconds = intervalSeconds; ;) {
    await context.io.sleep(seconds * 1000)
    if (context.io.now() > Date.parse(expiresAt)) throw new CliError('notInSync', `Nobody signed in until ${expiresAt}`)
    const answer = await client.call(redeemDeviceSignIn, { json: { deviceCode } })
    if ('token' in answer) return { org: answer.org, token: answer.token, secret: answer.token.secret }
    if (answer.slowDown) seconds += SLOWER_SECONDS
  }
}
