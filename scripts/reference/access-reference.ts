import { routeAccess } from '#api/access.ts'
import type { Confinement, RouteAccess } from '#api/access.ts'
import { apiRoutes, namedRoutes } from '#api/openapi.ts'
import { tokenRole } from '#api/schemas/tokens.ts'

const confinements: readonly Confinement[] = ['mesh', 'cluster', 'namespace']
const YES = '✓'

const accessByRoute = new Map(
  Object.entries<RouteAccess>(routeAccess).map(([name, access]) => [namedRoutes.get(name), access]),
)

const toRow = (route: (typeof apiRoutes)[number]): string => {
  const access = accessByRoute.get(route) ?? { roles: [], confined: [] }
  const cells =
    access === 'open'
      ? [...tokenRole.options, ...confinements].map(() => '')
      : [
          ...tokenRole.options.map((role) => (access.roles.includes(role) ? YES : '')),
          ...confinements.map((each) => (access.confined.includes(each) ? YES : '')),
        ]
  const name = `\`${route.method.toUpperCase()} ${route.path}\``
  return `| ${name}${access === 'open' ? ' *(no token)*' : ''} | ${route.summary} | ${cells.join(' | ')} |`
}

/** The page that says who may call which route. */
export const toAccessReference = (): string =>
  [
    '# Who may do what',
    '',
    'Generated from `api/access.ts` by `node scripts/reference.ts`; the plane follows the same table. [People and their roles](../people.md) explains it.',
    '',
    `The columns ${tokenRole.options.map((role) => `\`${role}\``).join(', ')} say which roles may call a route. The columns *mesh*, *cluster* and *namespace* say whether a token that is confined to one may still`,
    'call it, about that one alone. A token that is confined to several needs all of them. Everything that a token is not confined to is open to it.',
    '',
    `| route | | ${tokenRole.options.join(' | ')} | *mesh* | *cluster* | *namespace* |`,
    `|---|---|${tokenRole.options.map(() => ':-:').join('|')}|:-:|:-:|:-:|`,
    ...apiRoutes.map(toRow),
    '',
  ].join('\n')
