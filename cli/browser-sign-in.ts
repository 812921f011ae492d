import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import { beginSignIn, redeemSignIn } from '#api/routes/sign-in.ts'
import type { CliContext } from './cli-context.ts'
import { CliError } from './cli-error.ts'

const WAIT_MS = 5 * 60_000
const page = (text: string): string => `<!doctype html><meta charset="utf-8"><title>Atoll</title><p>${text}</p>\n`

const newSecret = (): string => randomBytes(32).toString('base64url')

/** Signs a person in through the identity provider of their org, in their browser, which comes back to this machine (RFC 8252). */
export const signInByBrowser = async (context: CliContext, url: string, org: string) => {
  const state = newSecret()
  const codeVerifier = newSecret()
  const waiting = await waitForBrowser(state)
  try {
    const query = new URLSearchParams({
      org,
      redirectUri: waiting.redirectUri,
      codeChallenge: createHash('sha256').update(codeVerifier).digest('base64url'),
      state,
    })
    context.note(
      `Open this in a browser on this machine, within five minutes:\n${url}${beginSignIn.path}?${query.toString()}`,
    )
    const code = await waiting.code
    const { org: name, token } = await context
      .clientOf(url, undefined)
      .call(redeemSignIn, { json: { code, codeVerifier } })
    return { org: name, token, secret: token.secret }
  } finally {
    waiting.close()
  }
}

/** Listens on this machine alone for the browser that comes back with a code. What comes with another state is nobody's. */
const waitForBrowser = async (state: string) => {
  const { promise: code, resolve, reject } = Promise.withResolvers<string>()
  code.catch(() => {})
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1')
    const given = searchParams.get('code')
    response.setHeader('Content-Type', 'text/html; charset=utf-8').setHeader('Cache-Control', 'no-store')
    if (request.method !== 'GET' || pathname !== '/' || searchParams.get('state') !== state) {
      response.writeHead(404).end(page('This is not what is waited for.'))
    } else if (given === null) {
      const isAway = searchParams.get('error') === 'temporarily_unavailable'
      response.end(page(isAway ? 'The identity provider can’t be asked now.' : 'You may not sign in to this org.'))
      reject(
        isAway
          ? new CliError('unavailable', 'The plane could not ask the identity provider who you are', {
              remedy: 'Try again in a minute.',
            })
          : new CliError('refused', 'The sign-in was refused', {
              remedy: 'Ask an owner or an admin to add you: "atoll member add EMAIL".',
            }),
      )
    } else {
      response.end(page('You are signed in: go back to the terminal.'))
      resolve(given)
    }
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a server on a port has an address')
  const timer = setTimeout(() => reject(new CliError('notInSync', 'Nobody signed in within five minutes')), WAIT_MS)
  return {
    redirectUri: `http://127.0.0.1:${address.port}/`,
    code,
    close: () => {
      clearTimeout(timer)
      server.close()
      server.closeAllConnections()
    },
  }
}
