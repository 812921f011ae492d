import { createMiddleware } from 'hono/factory'
import { matchedRoutes } from 'hono/route'
import { findBarrier, routeAccess } from '#api/access.ts'
import type { RouteAccess } from '#api/access.ts'
import { AtollError } from '#api/atoll-error.ts'
import { namedRoutes } from '#api/openapi.ts'
import type { AppContext, AppEnv } from '../app-env.ts'

/** As Hono has a path's parameters. */
const toPattern = (method: string, path: string): string =>
  `${method.toUpperCase()} ${path.replaceAll(/\/\{(.+?)\}/g, '/:$1')}`

const accessByPattern: ReadonlyMap<string, RouteAccess> = new Map(
  [...namedRoutes].flatMap(([name, { method, path }]) => {
    const access = new Map<string, RouteAccess>(Object.entries(routeAccess)).get(name)
    return access === undefined ? [] : [[toPattern(method, path), access]]
  }),
)

/** Of what is for every method, which is middleware alone. */
const ANY_METHOD = 'ALL'

/**
 * Who may call the route that the request is for: the one whose handlers Hono runs after this. Undefined = there is no such route in the
 * table, whether there are handlers or not.
 */
export const findAccess = (c: AppContext): RouteAccess | undefined => {
  const patterns = new Set(
    matchedRoutes(c).flatMap(({ method, path }) => (method === ANY_METHOD ? [] : [toPattern(method, path)])),
  )
  const [pattern, ...others] = patterns
  return pattern === undefined || others.length > 0 ? undefined : accessByPattern.get(pattern)
}

/**
 * Lets through whose token's role and scopes are enough for the route. What the request names is looked at where it is opened
 * (`openMesh`). What is not in the table is not there.
 *
 * @example
 * app.use('/v1/*', authorize)
 */
export const authorize = createMiddleware<AppEnv>(async (c, next) => {
  const access = findAccess(c)
  if (access === undefined) throw new AtollError('not_found', 'this version of the plane has no such route')
  if (access === 'open') return next()
  checkAccess(access, c.get('caller').token)
  c.set('access', access)
  return next()
})

/** Throws AtollError `forbidden` when a token is not enough for a route. */
export const checkAccess = (access: RouteAccess, token: AppEnv['Variables']['caller']['token']): void => {
  const barrier = findBarrier(access, token)
  if (barrier !== undefined) throw new AtollError('forbidden', barrier)
}
