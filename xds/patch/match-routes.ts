import type { Route, VirtualHost } from '#envoy/envoy/config/route/v3/route_components_pb.ts'
import type { Patch } from './patch.ts'

interface RoutesName {
  readonly port?: number
  readonly portName?: string
  readonly gateway?: string
}

/** What a route configuration's name says: "80", "inbound|80||", "http.8080", "https.443.<port's name>.<gateway>.<namespace>". */
const parseRoutesName = (name: string): RoutesName => {
  if (/^\d+$/.test(name)) return { port: Number(name) }
  const inbound = /^inbound\|(\d+)\|/.exec(name) ?? /^http\.(\d+)$/.exec(name)
  if (inbound) return { port: Number(inbound[1]) }
  const [scheme, port, portName = '', gateway, namespace, ...more] = name.split('.')
  return scheme === 'https' && namespace !== undefined && more.length === 0
    ? { port: Number(port), portName, gateway: `${namespace}/${gateway}` }
    : {}
}

export const matchesRoutes = (name: string, { match }: Patch): boolean => {
  const wanted = match.routeConfiguration
  if (!wanted) return true
  const routes = parseRoutesName(name)
  const isGateway = match.context === 'GATEWAY'
  return (
    (wanted.name === undefined || wanted.name === name) &&
    (wanted.portNumber === undefined || wanted.portNumber === routes.port) &&
    (!isGateway || wanted.portName === undefined || wanted.portName === routes.portName) &&
    (!isGateway || wanted.gateway === undefined || wanted.gateway === routes.gateway)
  )
}

/** Its name without that of its route configuration; with the port, as Istio's are named "<host>:<port>". */
const toNames = (routes: string, { name }: VirtualHost): readonly string[] => {
  const own = name.startsWith(`${routes}/`) ? name.slice(routes.length + 1) : name
  const { port } = parseRoutesName(routes)
  return [name, own, ...(port === undefined ? [] : [`${own}:${port}`])]
}

export const matchesVirtualHost = (routes: string, virtualHost: VirtualHost, { match }: Patch): boolean => {
  const { name, domainName } = match.routeConfiguration?.vhost ?? {}
  return (
    (name === undefined || toNames(routes, virtualHost).includes(name)) &&
    (domainName === undefined || virtualHost.domains.includes(domainName))
  )
}

const actions = { ROUTE: 'route', REDIRECT: 'redirect', DIRECT_RESPONSE: 'directResponse' } as const

/** Istio calls a route "default" that no VirtualService has made. */
export const matchesRoute = (route: Route, { match }: Patch): boolean => {
  const { name, action = 'ANY' } = match.routeConfiguration?.vhost?.route ?? {}
  return (
    (name === undefined || name === (route.name || 'default')) &&
    (action === 'ANY' || route.action.case === actions[action])
  )
}
