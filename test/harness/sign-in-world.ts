import type { Server } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { browseTo, serveProvider } from './identity-provider.ts'
import type { Jar } from './identity-provider.ts'
import { freePort, World } from './world.ts'

export const CLIENT_SECRET = 'the-secret-of-the-client'
const CALLBACK = '/v1/sign-in/callback'

/** A real OpenID provider, at which everybody has the account that they say, and a real plane that is its client, for the org "demo". */
export class SignInWorld {
  readonly world: World
  readonly issuer: string
  /** Whose addresses the provider has not verified. */
  readonly unverified = new Set<string>()
  /** What the provider answers at paths that end so, instead of what it should. */
  readonly disturbed = new Map<string, { readonly status: number; readonly body?: unknown }>()
  readonly #reach: (url: string) => string
  #server: Server | undefined

  private constructor(world: World, issuer: string, reach: (url: string) => string) {
    this.world = world
    this.issuer = issuer
    this.#reach = reach
  }

  /** `publicUrls`: where else browsers reach the plane; `reach`: what stands before it there. */
  static async start({
    publicUrls = [],
    reach = (url) => url,
  }: {
    readonly publicUrls?: readonly string[]
    readonly reach?: (url: string) => string
  } = {}): Promise<SignInWorld> {
    const world = await World.create(await mkdtemp(join(tmpdir(), 'atoll-sign-in-')))
    const made = new SignInWorld(world, `http://127.0.0.1:${await freePort()}`, reach)
    made.#server = await serveProvider(made.issuer, {
      secret: CLIENT_SECRET,
      redirectUris: [world.url, ...publicUrls].map((url) => `${url}${CALLBACK}`),
      isVerified: (id) => !made.unverified.has(id),
      disturb: (path) => [...made.disturbed].find(([end]) => path.split('?', 1)[0]?.endsWith(end))?.[1],
    })
    await world.startPlane()
    await world.signIn()
    await made.setProvider()
    return made
  }

  async stop(): Promise<void> {
    await this.world.stop()
    this.#server?.close()
    this.#server?.closeAllConnections()
    await rm(this.world.directory, { recursive: true, force: true })
  }

  /** `atoll org sign-in set`, with these options beside. */
  setProvider(...options: readonly string[]) {
    const set = `org sign-in set --issuer ${this.issuer} --client-id atoll --client-secret-stdin --profile default`
    return this.world.atoll([...set.split(' '), ...options], { input: CLIENT_SECRET })
  }

  asOwner(...args: readonly string[]) {
    return this.as('default', ...args)
  }

  as(profile: string, ...args: readonly string[]) {
    return this.world.atoll([...args, '--profile', profile], { allowFailure: true })
  }

  /** Where a page of the plane sends who wants to sign in. */
  toBeginning(query: Readonly<Record<string, string>> = {}): string {
    return `${this.world.url}/v1/sign-in/browser?${new URLSearchParams({ org: 'demo', ...query }).toString()}`
  }

  /** As somebody's browser. */
  browse(start: string, account: string, until?: string, jar?: Jar) {
    return browseTo(start, { account, issuer: this.issuer, reach: this.#reach, until, jar })
  }

  async post(path: string, body: unknown, key?: string) {
    const headers = { 'Content-Type': 'application/json', ...(key !== undefined && { 'Idempotency-Key': key }) }
    const response = await fetch(`${this.world.url}/v1/sign-in/${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
}
