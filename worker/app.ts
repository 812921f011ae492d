import { OpenAPIHono } from '@hono/zod-openapi'
import { bodyLimit } from 'hono/body-limit'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { AtollError } from '#api/atoll-error.ts'
import { buildOpenApiDocument } from '#api/openapi.ts'
import { MAX_CONFIGURATION_BODY_BYTES } from '#api/schemas/configuration.ts'
import packageJson from '../package.json' with { type: 'json' }
import type { App, AppEnv } from './app-env.ts'
import { authenticate } from './middleware/authenticate.ts'
import { authorize, findAccess } from './middleware/authorize.ts'
import { idempotency } from './middleware/idempotency.ts'
import { noStore } from './middleware/no-store.ts'
import { requestBody } from './middleware/request-body.ts'
import { answerFrontPage } from './pages/front-page.ts'
import { answerError, toRequestProblems } from './problems.ts'
import { addAgentRoutes } from './routes/agents.ts'
import { addAuditRoutes } from './routes/audit.ts'
import { addClusterRoutes } from './routes/clusters.ts'
import { addConfigurationRoutes } from './routes/configuration.ts'
import { addMachineTokenRoutes } from './routes/machine-tokens.ts'
import { addMemberRoutes } from './routes/members.ts'
import { addMeshRoutes } from './routes/meshes.ts'
import { addMetricsRoutes } from './routes/metrics.ts'
import { addPlaneRoutes } from './routes/plane.ts'
import { addOtlpRoutes } from './routes/otlp.ts'
import { addPrometheusRoutes } from './routes/prometheus.ts'
import { addProxyRoutes } from './routes/proxies.ts'
import { addPublishGrantRoutes } from './routes/publish-grants.ts'
import { addRevisionRoutes } from './routes/revisions.ts'
import { addQuotaRoutes } from './routes/quotas.ts'
import { addSessionRoutes } from './routes/sessions.ts'
import { addServiceRoutes } from './routes/services.ts'
import { addSignInRoutes } from './routes/sign-in.ts'
import { addTelemetryRoutes } from './routes/telemetry.ts'
import { addTokenRoutes } from './routes/tokens.ts'
import { addTrustRoutes } from './routes/trust.ts'

const { version } = packageJson

/** The HTTP API: what every request goes through, and then its route. No CORS headers: other sites' pages get no answer, and none of the plane in a frame. */
export const createApp = (): App => {
  const app = new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (result.success) return
      const problems = toRequestProblems(result.target, result.error)
      throw new AtollError('invalid_request', `the request is not what the contract of version ${version} says`, {
        problems,
      })
    },
  })
  app.onError(answerError)
  app.notFound((c) => answerError(new AtollError('not_found', `version ${version} of the plane has no such route`), c))
  app.use(requestId())
  app.use(secureHeaders({ xFrameOptions: 'DENY' }))
  // Bodies, tokens and refusals of OTLP are its own.
  addOtlpRoutes(app)
  app.use(
    bodyLimit({
      maxSize: MAX_CONFIGURATION_BODY_BYTES,
      onError: () => {
        throw new AtollError('too_large', `a request's body may be ${MAX_CONFIGURATION_BODY_BYTES} bytes long`)
      },
    }),
  )
  app.use('/v1/*', noStore)
  app.use(
    '/v1/*',
    authenticate((c) => findAccess(c) === 'open'),
  )
  app.use('/v1/*', authorize)
  app.use('/v1/*', requestBody)
  app.use('/v1/*', idempotency)
  app.get('/', answerFrontPage)
  app.get('/openapi.json', (c) => c.json(buildOpenApiDocument(version)))
  for (const addRoutes of [
    addPlaneRoutes,
    addTokenRoutes,
    addMemberRoutes,
    addSignInRoutes,
    addSessionRoutes,
    addMeshRoutes,
    addClusterRoutes,
    addMachineTokenRoutes,
    addConfigurationRoutes,
    addRevisionRoutes,
    addQuotaRoutes,
    addServiceRoutes,
    addProxyRoutes,
    addPublishGrantRoutes,
    addTrustRoutes,
    addAuditRoutes,
    addTelemetryRoutes,
    addMetricsRoutes,
    addPrometheusRoutes,
    addAgentRoutes,
  ]) {
    addRoutes(app)
  }
  return app
}
