import { OpenAPIHono } from '@hono/zod-openapi'
import type { RouteConfig } from '@hono/zod-openapi'
import * as agents from './routes/agents.ts'
import * as audit from './routes/audit.ts'
import * as clusters from './routes/clusters.ts'
import * as configuration from './routes/configuration.ts'
import * as machineTokens from './routes/machine-tokens.ts'
import * as members from './routes/members.ts'
import * as meshes from './routes/meshes.ts'
import * as otlp from './routes/otlp.ts'
import * as metrics from './routes/metrics.ts'
import * as plane from './routes/plane.ts'
import * as prometheus from './routes/prometheus.ts'
import * as proxies from './routes/proxies.ts'
import * as publishGrants from './routes/publish-grants.ts'
import * as revisions from './routes/revisions.ts'
import * as quotas from './routes/quotas.ts'
import * as sessions from './routes/sessions.ts'
import * as services from './routes/services.ts'
import * as signIn from './routes/sign-in.ts'
import * as telemetry from './routes/telemetry.ts'
import * as tokens from './routes/tokens.ts'
import * as trust from './routes/trust.ts'
import { CSRF_HEADER } from './schemas/sessions.ts'

const resources = [
  plane,
  tokens,
  members,
  signIn,
  sessions,
  meshes,
  clusters,
  machineTokens,
  configuration,
  publishGrants,
  revisions,
  services,
  quotas,
  proxies,
  metrics,
  prometheus,
  trust,
  audit,
  otlp,
  telemetry,
  agents,
] as const

type NamesIn<Resource> = Resource extends unknown ? keyof Resource : never
/** What a route is called in its file. */
export type RouteName = NamesIn<(typeof resources)[number]>

/** Every route by its name. */
export const namedRoutes: ReadonlyMap<string, RouteConfig> = new Map(
  resources.flatMap((resource) => Object.entries<RouteConfig>(resource)),
)

const byPath = (left: RouteConfig, right: RouteConfig): number => {
  const [a, b] = [left, right].map(({ path, method }) => `${path} ${method}`)
  return (a ?? '') < (b ?? '') ? -1 : 1
}

/** Every route of the API, resource by resource, each by path. */
export const apiRoutes: readonly RouteConfig[] = resources.flatMap((resource) =>
  Object.values<RouteConfig>(resource).toSorted(byPath),
)

/** The OpenAPI 3.1 document that the plane serves at /openapi.json. */
export const buildOpenApiDocument = (version: string) => {
  const document = new OpenAPIHono()
  document.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of the org, `atoll_token_…`.',
  })
  document.openAPIRegistry.registerComponent('securitySchemes', 'session', {
    type: 'apiKey',
    in: 'cookie',
    name: '__Host-atoll_session',
    description: `The cookie of a browser that has signed in. Everything but GET also needs the header ${CSRF_HEADER}.`,
  })
  for (const route of apiRoutes) document.openAPIRegistry.registerPath(route)
  return document.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Atoll', version, description: 'The control plane of Atoll’s meshes.' },
  })
}
