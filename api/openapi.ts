import { OpenAPIHono } from '@hono/zod-openapi'
import type { RouteConfig } from '@hono/zod-openapi'
import { listAudit } from './routes/audit.ts'
import { join, uplink } from './routes/agents.ts'
import {
  confirmHold,
  createJoinToken,
  evictCluster,
  getCluster,
  listClusters,
  listJoinTokens,
  revokeJoinToken,
} from './routes/clusters.ts'
import {
  applyConfiguration,
  deleteConfigurationObject,
  getConfigurationObject,
  listConfiguration,
} from './routes/configuration.ts'
import { createMachineToken, listMachineTokens, revokeMachineToken } from './routes/machine-tokens.ts'
import { createMesh, deleteMesh, getMesh, listMeshes, updateMesh } from './routes/meshes.ts'
import { getWhoami, health, setup } from './routes/plane.ts'
import { getProxy, getProxyConfig, listProxies } from './routes/proxies.ts'
import {
  diffRevision,
  getRevision,
  getRevisionDelivery,
  listRevisions,
  rollBackToRevision,
} from './routes/revisions.ts'
import { getService, listServices } from './routes/services.ts'
import { createToken, listTokens, revokeToken } from './routes/tokens.ts'
import { getTrust, listCertificates } from './routes/trust.ts'

/** Every route of the API, in the order of the reference. */
export const apiRoutes: readonly RouteConfig[] = [
  ...[health, setup, getWhoami],
  ...[listTokens, createToken, revokeToken],
  ...[listMeshes, createMesh, getMesh, updateMesh, deleteMesh],
  ...[listClusters, getCluster, evictCluster, confirmHold, listJoinTokens, createJoinToken, revokeJoinToken],
  ...[listMachineTokens, createMachineToken, revokeMachineToken],
  ...[applyConfiguration, listConfiguration, getConfigurationObject, deleteConfigurationObject],
  ...[listRevisions, getRevision, diffRevision, rollBackToRevision, getRevisionDelivery],
  ...[listServices, getService],
  ...[listProxies, getProxy, getProxyConfig],
  ...[getTrust, listCertificates],
  ...[listAudit],
  ...[join, uplink],
]

/** The OpenAPI 3.1 document that the plane serves at /openapi.json. */
export const buildOpenApiDocument = (version: string) => {
  const document = new OpenAPIHono()
  document.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of the org, `atoll_token_…`.',
  })
  for (const route of apiRoutes) document.openAPIRegistry.registerPath(route)
  return document.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Atoll', version, description: 'The control plane of Atoll’s meshes.' },
  })
}
