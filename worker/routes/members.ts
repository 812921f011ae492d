import type { RouteHandler } from '@hono/zod-openapi'
import { isWithin } from '#api/access.ts'
import { AtollError } from '#api/atoll-error.ts'
import { createMember, listMembers, removeMember, updateMember } from '#api/routes/members.ts'
import type { Member } from '#api/schemas/members.ts'
import type { App, AppContext, AppEnv } from '../app-env.ts'
import { toChanges } from '../audit/to-changes.ts'
import * as directory from '../directory/members.ts'
import { openOrg, toOrgEvent } from '../open-mesh.ts'
import { firstPlace, parseCursor, toPage } from '../page.ts'
import { found } from '../problems.ts'
import { randomBytes } from '../random-bytes.ts'
import { newId } from '../secret-token.ts'

type Power = Pick<Member, 'role' | 'scopes'>

/** Throws AtollError `forbidden` when somebody may do more than who asks. */
const requireWithin = (c: AppContext, power: Power): void => {
  if (!isWithin(power, c.get('caller').token))
    throw new AtollError('forbidden', 'a token can’t give or take more power than it has')
}

const toDetail = ({ role, scopes }: Power): Readonly<Record<string, string>> => ({
  role,
  ...Object.fromEntries(Object.entries(scopes).filter(([, value]) => value !== undefined)),
})

const listOrgMembers: RouteHandler<typeof listMembers, AppEnv> = async (c) => {
  const { limit, cursor } = c.req.valid('query')
  const [after] = parseCursor(cursor, firstPlace)
  const members = await directory.listMembers(c.env.DB, openOrg(c), after, limit + 1)
  return c.json(
    toPage(members, limit, (last) => [last.email]),
    200,
  )
}

const addMember: RouteHandler<typeof createMember, AppEnv> = async (c) => {
  const orgId = openOrg(c)
  const { email, role, scopes } = c.req.valid('json')
  requireWithin(c, { role, scopes })
  if ((await directory.countMembers(c.env.DB, orgId)) >= directory.MAX_MEMBERS)
    throw new AtollError('limit_reached', `an org may have ${directory.MAX_MEMBERS} members`, {
      limit: { name: 'members' },
    })
  const member = { id: newId(randomBytes), email, role, scopes, createdAt: Date.now() }
  const event = toOrgEvent(c, { action: 'member.create', target: email, detail: toDetail(member) })
  const made = await directory.insertMember(c.env.DB, orgId, member, event)
  if (!made) throw new AtollError('already_exists', `${email} is a member`)
  return c.json(made, 201)
}

const changeMember: RouteHandler<typeof updateMember, AppEnv> = async (c) => {
  const orgId = openOrg(c)
  const { id } = c.req.valid('param')
  const power = c.req.valid('json')
  const member = found(await directory.findMember(c.env.DB, orgId, id), `member ${id}`)
  requireWithin(c, member)
  requireWithin(c, power)
  const event = toOrgEvent(c, {
    action: 'member.update',
    target: member.email,
    detail: toDetail(power),
    changes: toChanges(toDetail(member), toDetail(power)),
  })
  await directory.changeMember(c.env.DB, orgId, id, power, event)
  return c.json({ ...member, ...power }, 200)
}

const endMember: RouteHandler<typeof removeMember, AppEnv> = async (c) => {
  const orgId = openOrg(c)
  const { id } = c.req.valid('param')
  const member = found(await directory.findMember(c.env.DB, orgId, id), `member ${id}`)
  requireWithin(c, member)
  const event = toOrgEvent(c, { action: 'member.delete', target: member.email, detail: toDetail(member) })
  await directory.deleteMember(c.env.DB, orgId, id, event)
  return c.body(null, 204)
}

export const addMemberRoutes = (app: App): void => {
  app.openapi(listMembers, listOrgMembers)
  app.openapi(createMember, addMember)
  app.openapi(updateMember, changeMember)
  app.openapi(removeMember, endMember)
}
