import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { RequestIdVariables } from 'hono/request-id'
import type { Access } from '#api/access.ts'
import type { Token } from '#api/schemas/tokens.ts'

export interface BrowserSession {
  /** Of the pages that it is for. */
  readonly origin: string
  readonly expiresAtMs: number
  readonly idleExpiresAtMs: number
}

/** Who calls: the token of the request, or the one that the session of a browser is, and the org that it belongs to. */
export interface Caller {
  readonly orgId: string
  readonly orgName: string
  readonly token: Token
  /** Who has signed in for it. */
  readonly memberId: string | null
  /** Of a browser. */
  readonly session: BrowserSession | undefined
}

export interface AppEnv {
  Bindings: Cloudflare.Env
  Variables: RequestIdVariables & {
    caller: Caller
    /** Of the route that the caller may call. */
    access: Access
    /** Set by a write that has changed nothing: sent again, it is done again. */
    hasNoEffect?: true
  }
}

export type App = OpenAPIHono<AppEnv>
export type AppContext = Context<AppEnv>
