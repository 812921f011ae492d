import { createServer } from 'node:http'
import type { Server } from 'node:http'
import Provider from 'oidc-provider'

/** A real OpenID provider, at which everybody has the account that they say. */
export const serveProvider = async (
  issuer: string,
  {
    secret,
    redirectUris,
    isVerified,
    disturb = () => undefined,
  }: {
    readonly secret: string
    readonly redirectUris: readonly string[]
    /** Whether the provider has verified somebody's address. */
    readonly isVerified: (id: string) => boolean
    /** What it answers instead of what it should. */
    readonly disturb?: (path: string) => { readonly status: number; readonly body?: unknown } | undefined
  },
): Promise<Server> => {
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'atoll',
        client_secret: secret,
        redirect_uris: [...redirectUris],
        token_endpoint_auth_method: 'client_secret_post',
        grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
      },
    ],
    features: { deviceFlow: { enabled: true } },
    claims: { openid: ['sub'], email: ['email', 'email_verified'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        email: `${id.replace(/-again$/, '')}@example.com`,
        email_verified: isVerified(id),
      }),
    }),
    cookies: { keys: ['keys of this test'] },
  })
  const answer = provider.callback()
  const server = createServer((request, response) => {
    const trouble = disturb(request.url ?? '/')
    if (!trouble) return void answer(request, response)
    return response
      .writeHead(trouble.status, { 'Content-Type': 'application/json' })
      .end(trouble.body === undefined ? '' : JSON.stringify(trouble.body))
  })
  await new Promise<void>((resolve) => server.listen(Number(new URL(issuer).port), '127.0.0.1', resolve))
  return server
}

export type Jar = Map<string, Map<string, string>>

/** What a browser does: it keeps cookies by host, follows redirects up to `until` (with whatever query), and somebody fills in the provider's forms. */
export const browseTo = async (
  start: string,
  {
    account,
    issuer,
    reach,
    until = 'nowhere',
    jar = new Map<string, Map<string, string>>(),
  }: {
    readonly account: string
    readonly issuer: string
    /** What stands before the plane. */
    readonly reach: (url: string) => string
    readonly until?: string | undefined
    readonly jar?: Jar | undefined
  },
) => {
  const visit = async (url: string, body?: URLSearchParams): Promise<{ url: string; status: number; text: string }> => {
    if (url !== start && url.split(/[?#]/, 1)[0] === until) return { url, status: 0, text: '' }
    const { host } = new URL(url)
    const cookies = jar.get(host) ?? new Map<string, string>()
    jar.set(host, cookies)
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(reach(url), {
      redirect: 'manual',
      headers: { cookie },
      ...(body && { method: 'POST', body }),
    })
    for (const text of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(text) ?? []
      if (value === '') cookies.delete(name)
      else cookies.set(name, value)
    }
    const location = response.headers.get('location')
    if (location !== null) return visit(new URL(location, url).href)
    const text = await response.text()
    const [, action] = /<form[^>]*action="([^"]+)"/.exec(text) ?? []
    if (!url.startsWith(issuer) || action === undefined) return { url, status: response.status, text }
    const hidden = [...text.matchAll(/<input[^>]*type="hidden"[^>]*name="(\w+)"[^>]*value="([^"]*)"/g)]
    const fields = Object.fromEntries(hidden.map(([, name = '', value = '']) => [name, value]))
    return visit(new URL(action, url).href, new URLSearchParams({ ...fields, login: account, password: 'any' }))
  }
  return visit(start)
}
