import type { RouteHandler } from '@hono/zod-openapi'
import { AtollError } from '#api/atoll-error.ts'
import { getWhoami, health, setup } from '#api/routes/plane.ts'
import packageJson from '../../package.json' with { type: 'json' }
import type { App, AppEnv } from '../app-env.ts'
import { isSetUp, setUpPlane } from '../directory/orgs.ts'
import { toIssuedToken } from '../directory/tokens.ts'
import { planeInitiator } from '../mesh/audit.ts'
import { randomBytes } from '../random-bytes.ts'
import { equalsInConstantTime, newId, newToken, sha256Hex } from '../secret-token.ts'

const OWNER_TOKEN_MS = 366 * 24 * 60 * 60 * 1000

const answerHealth: RouteHandler<typeof health, AppEnv> = async (c) =>
  c.json({ status: 'ok' as const, version: packageJson.version, setUp: await isSetUp(c.env.DB) }, 200)

/** Only who has the set-up token sets a plane up, only once; without a configured token nobody does. */
const setUp: RouteHandler<typeof setup, AppEnv> = async (c) => {
  const { setupToken, org } = c.req.valid('json')
  const expected = c.env.ATOLL_SETUP_TOKEN_HASH ?? ''
  const isRight = equalsInConstantTime(await sha256Hex(setupToken), expected)
  if (expected === '' || !isRight) throw new AtollError('setup_refused', 'the set-up token is wrong')
  const { id, text, secretHash } = await newToken('token', randomBytes)
  const createdAtMs = Date.now()
  const expiresAtMs = createdAtMs + OWNER_TOKEN_MS
  const owner = { id, secretHash, name: 'owner', role: 'owner' as const, scopes: {}, createdAtMs, expiresAtMs }
  const orgId = newId(randomBytes)
  const { actor } = planeInitiator
  const event = { at: createdAtMs, actor, action: 'org.create', target: org, requestId: c.get('requestId') }
  if (!(await setUpPlane(c.env.DB, { id: orgId, name: org }, owner, event))) {
    throw new AtollError('already_set_up', 'sign in with a token; an owner can make more of them')
  }
  return c.json({ org, token: toIssuedToken(orgId, owner, text) }, 201)
}

const showCaller: RouteHandler<typeof getWhoami, AppEnv> = (c) => {
  const { orgName, token } = c.get('caller')
  return c.json({ org: orgName, token }, 200)
}

export const addPlaneRoutes = (app: App): void => {
  app.openapi(health, answerHealth)
  app.openapi(setup, setUp)
  app.openapi(getWhoami, showCaller)
}
