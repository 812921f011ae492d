import { z } from 'zod'
import { clusterName, namespaceName, networkName } from '#mesh/names.ts'
import { endpoint, service, servicePort, trafficDistribution } from '#mesh/service.ts'
import { openEnum } from '../open-enum.ts'
import { contribution } from './clusters.ts'
import { shownProblem } from './shown-problem.ts'
import { meshParams, pageQuery } from './common.ts'

/** A detail shows at most so many endpoints; the counts are of all of them. */
export const MAX_ENDPOINTS_SHOWN = 1_000

export const serviceParams = meshParams.extend({ namespace: namespaceName, hostname: z.string().min(1).max(253) })
export const listServicesQuery = pageQuery.extend({
  namespace: namespaceName.optional(),
  cluster: clusterName.optional(),
})

const serviceInCluster = z.object({
  cluster: clusterName,
  network: networkName,
  contribution,
  endpoints: z.int().min(0),
  healthy: z.int().min(0),
})

const { protocol } = servicePort.unwrap().shape
const { resolution, location, source } = service.unwrap().shape
const shownService = service
  .unwrap()
  .extend({
    ports: z
      .array(
        servicePort
          .unwrap()
          .extend({ protocol: openEnum(protocol.options) })
          .readonly(),
      )
      .readonly(),
    resolution: openEnum(resolution.options),
    location: openEnum(location.options),
    source: openEnum(source.options),
    isNamedByClient: z.boolean().optional(),
    isExportedByDefault: z.boolean().optional(),
    isNodeLocal: z.boolean().optional(),
    trafficDistribution: openEnum(trafficDistribution.options).optional(),
  })
  .readonly()

const { health, tls, issuer, origin } = endpoint.unwrap().shape
const shownEndpoint = endpoint
  .unwrap()
  .extend({
    health: openEnum(health.options),
    tls: openEnum(tls.options),
    issuer: openEnum([issuer.unwrap().value]).optional(),
    origin: openEnum(origin.unwrap().options).optional(),
  })
  .readonly()

/** A plane of version 0.1 does not tell. */
const drift = z.array(shownProblem).optional().describe('Where its clusters say different things of it.')

const definition = shownService.unwrap().shape

export const serviceSummary = z
  .object({
    key: definition.key,
    namespace: definition.namespace,
    hostname: definition.hostname,
    ports: definition.ports,
    location: definition.location,
    aliasOf: definition.aliasOf.describe('The host that it is another name of.'),
    clusters: z.array(serviceInCluster),
    drift,
  })
  .meta({ id: 'ServiceSummary' })
export type ServiceSummary = z.infer<typeof serviceSummary>

/** A service as the mesh sees it: its merged definition and the endpoints of every cluster. */
export const serviceDetail = z
  .object({
    service: shownService,
    clusters: z.array(serviceInCluster),
    drift,
    endpoints: z.array(shownEndpoint).max(MAX_ENDPOINTS_SHOWN).describe('By cluster, then id.'),
    endpointsLeftOut: z.int().min(0),
  })
  .meta({ id: 'ServiceDetail' })
export type ServiceDetail = z.infer<typeof serviceDetail>
