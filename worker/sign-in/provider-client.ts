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

  /** Asks the issuer what it is. Throws AtollError: `invalid_request` when it is no OpenID provider that the plane may ask, `unavailable` when that may pass. */
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
    const { redirectUri } = this.#settings
    const client = this.#client
    const parameters = oauth.validateAuthResponse(this.#server, client, callback, state)
    const response = await oauth.authorizationCodeGrantRequest(
      this.#server,
      client,
      this.#authentication,
      parameters,
      redirectUri,
      verifier,
      this.#options,
    )
    const answer = await oauth.processAuthorizationCodeResponse(this.#server, client, response, {
      expectedNonce: nonce,
      requireIdToken: true,
    })
    return this.#toIdentity(response, answer)
  }

  /** Whether the provider lets people confirm a sign-in on another device. */
  get offersDevice(): boolean {
    return this.#server.device_authorization_endpoint !== undefined
  }

  /**
   * Has the provider make a code that somebody types there (RFC 8628 §3.1). Throws AtollError, which names the provider, when it does not, or
   * sends people to where they are not to go: `unavailable` when that may pass, else `sign_in_refused`.
   */
  async beginDevice(): Promise<oauth.DeviceAuthorizationResponse> {
    try {
      return await this.#beginDevice()
    } catch (error) {
      if (error instanceof AtollError) throw error
      throw new AtollError(
        'sign_in_refused',
        `${this.#settings.issuer} begins no sign-in on another device: ${toReason(error)}`,
        { cause: error },
      )
    }
  }

  async #beginDevice(): Promise<oauth.DeviceAuthorizationResponse> {
    const parameters = { scope: 'openid email' }
    const response = await oauth.deviceAuthorizationRequest(
      this.#server,
      this.#client,
      this.#authentication,
      parameters,
      this.#options,
    )
    const answer = await oauth.processDeviceAuthorizationResponse(this.#server, this.#client, response)
    const allowsLoopback = this.#options[oauth.allowInsecureRequests]
    for (const uri of [answer.verification_uri, answer.verification_uri_complete ?? answer.verification_uri]) {
      const url = URL.parse(uri)
      if (!url || !isPublicUrl(url, allowsLoopback)) throw new Error('its verification_uri is no public https address')
    }
    if (!/^[\x20-\x7e]{1,64}$/.test(answer.user_code)) throw new Error('its user_code is not printable')
    return answer
  }

  /** Whom the provider vouches for, once somebody has typed the code; before that, how to go on (RFC 8628 §3.5). Throws when nobody will. */
  async askDevice(deviceCode: string): Promise<Identity | 'pending' | 'slow_down'> {
    const response = await oauth.deviceCodeGrantRequest(
      this.#server,
      this.#client,
      this.#authentication,
      deviceCode,
      this.#options,
    )
    try {
      const answer = await oauth.processDeviceCodeResponse(this.#server, this.#client, response)
      return await this.#toIdentity(response, answer)
    } catch (error) {
      if (!(error instanceof oauth.ResponseBodyError)) throw error
      if (error.error === 'authorization_pending') return 'pending'
      if (error.error === 'slow_down') return 'slow_down'
      throw error
    }
  }

  get #client(): oauth.Client {
    return { client_id: this.#settings.clientId }
  }

  get #authentication(): oauth.ClientAuth {
    const { clientSecret } = this.#settings
    return clientSecret === undefined ? oauth.None() : oauth.ClientSecretPost(clientSecret)
  }

  async #toIdentity(response: Response, answer: oauth.TokenEndpointResponse): Promise<Identity> {
    await oauth.validateApplicationLevelSignature(this.#server, response, this.#options)
    const claims = oauth.getValidatedIdTokenClaims(answer)
    if (!claims) throw new Error('there are no claims')
    return { subject: claims.sub, email: findEmail(claims) ?? (await this.#askEmail(this.#client, claims.sub, answer)) }
  }

  /** Providers may tell of a person's address apart (OpenID Connect Core §5.4). */
  async #askEmail(client: oauth.Client, subject: string, answer: oauth.TokenEndpointResponse) {
    if (this.#server.userinfo_endpoint === undefined) return undefined
    const response = await oauth.userInfoRequest(this.#server, client, answer.access_token, this.#options)
    return findEmail(await oauth.processUserInfoResponse(this.#server, client, subject, response))
  }
}

/** For people who have no token: of what a provider says, the code alone. */
const toReason = (error: unknown): string => {
  if (error instanceof oauth.ResponseBodyError)
    return `it answers HTTP ${error.status}, ${JSON.stringify(error.error.slice(0, 64))}`
  if (error instanceof oauth.WWWAuthenticateChallengeError) return `it answers HTTP ${error.status}`
  return error instanceof Error ? error.message : String(error)
}

/** An address that the provider has not verified says nothing of who somebody is. */
const findEmail = (claims: Readonly<Record<string, unknown>>): string | undefined => {
  const { email, email_verified: isVerified } = claims
  return isVerified === true && typeof email === 'string' ? email.toLowerCase() : undefined
}
