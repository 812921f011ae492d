import { AtollError } from '#api/atoll-error.ts'
import type { OutputOf } from '#api/client.ts'
import { beginDeviceSignIn, redeemDeviceSignIn } from '#api/routes/sign-in.ts'
import type { CliContext } from './cli-context.ts'
import { CliError } from './cli-error.ts'

const SLOWER_SECONDS = 5

/**
 * Signs a person in through the identity provider of their org, in a browser on whatever device, with a code that is shown here (RFC 8628). What
 * does not answer meanwhile is asked more seldom, until the code has expired.
 */
export const signInByDevice = async (context: CliContext, url: string, org: string) => {
  const client = context.clientOf(url, undefined)
  const { deviceCode, userCode, verificationUri, expiresAt, intervalSeconds } = await client.call(beginDeviceSignIn, {
    json: { org },
  })
  // Without the address that has the code in it: who types it has seen both.
  context.note(
    `Open ${verificationUri} in a browser, and type there: ${userCode}\nType no code that somebody has sent you.`,
  )
  let lastTrouble: string | undefined
  for (let seconds = intervalSeconds; ;) {
    await context.io.sleep(seconds * 1000)
    if (context.io.now() > Date.parse(expiresAt))
      throw new CliError('notInSync', `Nobody signed in until ${expiresAt}`, {
        ...(lastTrouble !== undefined && { remedy: `The last question came to nothing: ${lastTrouble}` }),
      })
    const answer = await ask(() => client.call(redeemDeviceSignIn, { json: { deviceCode } }))
    if ('token' in answer) return { org: answer.org, token: answer.token, secret: answer.token.secret }
    if (answer.trouble !== undefined && answer.trouble !== lastTrouble)
      context.note(`warning: ${answer.trouble}. Asking again until ${expiresAt}`)
    lastTrouble = answer.trouble
    if (answer.slowDown) seconds += SLOWER_SECONDS
  }
}

type Answer = OutputOf<typeof redeemDeviceSignIn>

/** A plane that can't be asked now is waited for, as it waits for a provider. */
const ask = async (redeem: () => Promise<Answer>): Promise<Answer> => {
  try {
    return await redeem()
  } catch (error) {
    const mayPass = error instanceof AtollError && ['unreachable', 'unavailable', 'rate_limited'].includes(error.code)
    if (!mayPass) throw error
    return { slowDown: true, trouble: error.message }
  }
}
