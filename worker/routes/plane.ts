import type { RouteHandler } from '@hono/zod-openapi'
import { AtollError } from '#api/atoll-error.ts'
import { deleteOrg, getKeyEncryption, getUsage, getWhoami, health, setup } from '#api/routes/plane.ts'
import packageJson from '../../package.json' with { type: 'json' }
import type { App, AppEnv } from '../app-env.ts'
import { attempt } from '../attempt.ts'
import { isSealedWith, toKekId } from '../ca/sealed-key.ts'
import { deleteOrg as deleteWholeOrg } from '../delete-org.ts'
import { isSetUp, setUpPlane } from '../directory/orgs.ts'
import { countMembers, MAX_MEMBERS } from '../directory/members.ts'
import { countMeshes, listMeshes, MAX_MESHES } from '../directory/meshes.ts'
import { readOrgAuditChain } from '../directory/org-audit.ts'
import { findProvider } from '../directory/sign-in.ts'
import { countTokens, MAX_TOKENS, toIssuedToken } from '../directory/tokens.ts'
import { planeInitiator } from '../mesh/audit.ts'
import { MAX_CLUSTERS } from '../mesh/clusters.ts'
import { openMeshStore } from '../mesh/mesh-store.ts'
import { countRequests, WINDOW_SECONDS } from '../middleware/rate-limit.ts'
import { requestLimits } from '../middleware/request-limits.ts'
import type { RequestLimit } from '../middleware/request-limits.ts'
import { openOrg, toInitiator, toOrigin } from '../open-mesh.ts'
import { randomBytes } from '../random-bytes.ts'
import { equalsInConstantTime, newId, newToken, sha256Hex } from '../secret-token.ts'
import { resealClientSecret } from '../sign-in/client-secret.ts'

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
  const by = { ...planeInitiator, ...toOrigin(c) }
  const event = { at: createdAtMs, by, facts: { action: 'org.create', target: org, detail: { ownerToken: id } } }
  if (!(await setUpPlane(c.env.DB, { id: orgId, name: org }, owner, event))) {
    throw new AtollError('already_set_up', 'sign in with a token; an owner can make more of them')
  }
  return c.json({ org, token: toIssuedToken(orgId, owner, text) }, 201)
}

const showCaller: RouteHandler<typeof getWhoami, AppEnv> = (c) => {
  const { orgName, token } = c.get('caller')
  return c.json({ org: orgName, token }, 200)
}

const showUsage: RouteHandler<typeof getUsage, AppEnv> = async (c) => {
  const orgId = openOrg(c)
  const { token } = c.get('caller')
  const [known, meshes, tokens, members] = await Promise.all([
    listMeshes(c.env.DB, orgId, undefined, '', MAX_MESHES),
    countMeshes(c.env.DB, orgId),
    countTokens(c.env.DB, orgId),
    countMembers(c.env.DB, orgId),
  ])
  const nowMs = Date.now()
  const toRequests = (name: RequestLimit, key: string) => ({
    name,
    limit: requestLimits[name],
    windowSeconds: WINDOW_SECONDS,
    used: countRequests(name, key, nowMs),
  })
  const shown = {
    quotas: [
      { name: 'meshes', limit: MAX_MESHES, used: meshes },
      { name: 'tokens', limit: MAX_TOKENS, used: tokens },
      { name: 'members', limit: MAX_MEMBERS, used: members },
      ...known.map(({ name: mesh, clusters }) => ({ name: 'clusters', mesh, limit: MAX_CLUSTERS, used: clusters })),
    ],
    requests: [toRequests('token', token.id), toRequests('org', orgId)],
  }
  return c.json(shown, 200)
}

const removeOrg: RouteHandler<typeof deleteOrg, AppEnv> = async (c) => {
  const orgId = openOrg(c)
  const { orgName } = c.get('caller')
  if (c.req.valid('query').name !== orgName)
    throw new AtollError('invalid_request', `the org is called ${orgName}: send that as "name" if you mean it`)
  const { head } = await readOrgAuditChain(c.env.DB, orgId)
  await deleteWholeOrg(c.env, orgId)
  // The org's own log is gone with it.
  const event = { level: 'info', message: 'org.delete', orgId, org: orgName, ...toInitiator(c), auditHead: head }
  // eslint-disable-next-line no-console -- the platform's log
  console.info(JSON.stringify(event))
  return c.body(null, 204)
}

const showKeyEncryption: RouteHandler<typeof getKeyEncryption, AppEnv> = async (c) => {
  const orgId = openOrg(c)
  const { ATOLL_KEK, ATOLL_KEK_PREVIOUS } = c.env
  const current = await toKekId(ATOLL_KEK)
  const previous = ATOLL_KEK_PREVIOUS === undefined ? null : await toKekId(ATOLL_KEK_PREVIOUS, 'ATOLL_KEK_PREVIOUS')
  const signIn = await resealSignIn(c.env, orgId, current)
  const known = await listMeshes(c.env.DB, orgId, undefined, '', MAX_MESHES)
  const meshes = await Promise.all(
    known.map(async ({ id, name }) => ({ mesh: name, ...(await openMeshStore(c.env, id).countSealed(current)) })),
  )
  const sum = (which: 'keys' | 'pending') => [...meshes, signIn].reduce((total, each) => total + each[which], 0)
  return c.json({ current, previous, keys: sum('keys'), pending: sum('pending'), meshes, signIn }, 200)
}

/** Meshes seal theirs anew by themselves; of what an org has nobody else would. */
const resealSignIn = async (
  env: Cloudflare.Env,
  orgId: string,
  current: string,
): Promise<{ readonly keys: number; readonly pending: number }> => {
  const provider = await findProvider(env.DB, orgId)
  if (provider) await attempt('client secret', () => resealClientSecret(env, provider))
  const { clientSecret } = (await findProvider(env.DB, orgId)) ?? { clientSecret: null }
  if (clientSecret === null) return { keys: 0, pending: 0 }
  return { keys: 1, pending: isSealedWith(current, clientSecret) ? 0 : 1 }
}

export const addPlaneRoutes = (app: App): void => {
  app.openapi(health, answerHealth)
  app.openapi(setup, setUp)
  app.openapi(getWhoami, showCaller)
  app.openapi(getKeyEncryption, showKeyEncryption)
  app.openapi(getUsage, showUsage)
  app.openapi(deleteOrg, removeOrg)
}
