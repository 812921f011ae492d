import * as oauth from 'oauth4webapi'
import { AtollError } from '#api/atoll-error.ts'
import type { ProviderFetch } from './ask-provider.ts'
import { toProviderFetch } from './ask-provider.ts'
import { isPublicUrl } from './public-host.ts'

export interface ProviderSettings {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string | undefined
  readonly redirectUri: string
}

/** What is kept of a sign-in while the browser is at the provider. */
export interface Handshake {
  readonly state: string
  readonly nonce: string
  readonly verifier: string
}

/** Whom the provider vouches for. */
export interface Identity {
  readonly subject: string
  readonly email: string | undefined
}

/**
 * The plane as a client of an org's OpenID provider: authorization code with PKCE, state and nonce (OpenID Connect Core §3.1, RFC 7636). The ID
 * token's signature is checked with the provider's keys, though it comes from there over TLS.
 */
export class ProviderClient {
  readonly #settings: ProviderSettings
  readonly #server: oauth.AuthorizationServer
  readonly #options: { [oauth.customFetch]: ProviderFetch; [oauth.allowInsecureRequests]: boolean }

  private constructor(
    settings: ProviderSettings,
    server: oauth.AuthorizationServer,
    options: { [oauth.customFetch]: ProviderFetch; [oauth.allowInsecureRequests]: boolean },
  ) {
    this.#settings = settings
    this.#server = server
    this.#options = options
  }

  /** Asks the issuer what it is. Throws AtollError `invalid_request` when it is no OpenID provider that the plane may ask. */
  static async discover(settings: ProviderSettings, allowsLoopback: boolean): Promise<ProviderClient> {
    const issuer = new URL(settings.issuer)
    // What may be asked without TLS is on this machine: `toProviderFetch` sees to it.
    const options = {
      [oauth.customFetch]: toProviderFetch(allowsLoopback),
      [oauth.allowInsecureRequests]: allowsLoopback,
    }
    try {
      const response = await oauth.discoveryRequest(issuer, { ...options, algorithm: 'oidc' })
      const server = await oauth.processDiscoveryResponse(issuer, response)
      const endpoint = URL.parse(server.authorization_endpoint ?? '')
      if (!endpoint || !isPublicUrl(endpoint, allowsLoopback)) throw new Error('it has no authorization endpoint')
      return new ProviderClient(settings, server, options)
    } catch (error) {
      if (error instanceof AtollError) throw error
      const reason = error instanceof Error ? error.message : String(error)
      throw new AtollError('invalid_request', `${settings.issuer} does not answer as an OpenID provider: ${reason}`)
    }
  }

  async toAuthorizationUrl({ state, nonce, verifier }: Handshake): Promise<string> {
    const url = new URL(this.#server.authorization_endpoint ?? '')
    const { clientId, redirectUri } = this.#settings
    const parameters = {
      client_id: clientId,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: 'openid email',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    }
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    return url.href
  }

  /** Whom the provider's answer vouches for. Throws when it is not one to this handshake, or no valid one. */
  async identify(callback: URL, { state, nonce, verifier }: Handshake): Promise<Identity> {
    const { clientId, clientSecret, redirectUri } = this.#settings
    const client = { client_id: clientId }
    const parameters = oauth.validateAuthResponse(this.#server, client, callback, state)
    const authentication = clientSecret === undefined ? oauth.None() : oauth.ClientSecretPost(clientSecret)
    const response = await oauth.authorizationCodeGrantRequest(
      this.#server,
      client,
      authentication,
      parameters,
      redirectUri,
      verifier,
      this.#options,
    )
    const answer = await oauth.processAuthorizationCodeResponse(this.#server, client, response, {
      expectedNonce: nonce,
      requireIdToken: true,
    })
    await oauth.validateApplicationLevelSignature(this.#server, response, this.#options)
    const claims = oauth.getValidatedIdTokenClaims(answer)
    if (!claims) throw new Error('there are no claims')
    return { subject: claims.sub, email: findEmail(claims) ?? (await this.#askEmail(client, claims.sub, answer)) }
  }

  /** Providers may tell of a person's address apart (OpenID Connect Core §5.4). */
  async #askEmail(client: oauth.Client, subject: string, answer: oauth.TokenEndpointResponse) {
    if (this.#server.userinfo_endpoint === undefined) return undefined
    const response = await oauth.userInfoRequest(this.#server, client, answer.access_token, this.#options)
    return findEmail(await oauth.processUserInfoResponse(this.#server, client, subject, response))
  }
}

/** An address that the provider has not verified says nothing of who somebody is. */
const findEmail = (claims: Readonly<Record<string, unknown>>): string | undefined => {
  const { email, email_verified: isVerified } = claims
  return isVerified === true && typeof email === 'string' ? email.toLowerCase() : undefined
}
