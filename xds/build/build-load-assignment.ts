import { create } from '@bufbuild/protobuf'
import type { Locality } from '#envoy/envoy/config/core/v3/base_pb.ts'
import { LocalitySchema } from '#envoy/envoy/config/core/v3/base_pb.ts'
import { HealthStatus } from '#envoy/envoy/config/core/v3/health_check_pb.ts'
import {
  LbEndpointSchema,
  type LocalityLbEndpointsSchema,
} from '#envoy/envoy/config/endpoint/v3/endpoint_components_pb.ts'
import { ClusterLoadAssignmentSchema } from '#envoy/envoy/config/endpoint/v3/endpoint_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { LoadAssignment, LocalityEndpoints, UpstreamEndpoint } from '#xds/model/load-assignment.ts'
import { typeUrls } from '#xds/type-url.ts'
import { buildAddress } from './address.ts'
import { encode } from './encode.ts'
import type { MessageFields } from './message-fields.ts'
import { gatewayMetadata, transportMetadata } from './metadata.ts'

type LoadAssignmentInit = MessageFields<typeof ClusterLoadAssignmentSchema>

/** The endpoints of an EnvoyCluster as EDS serves them. */
export const buildEndpoints = (assignment: LoadAssignment): UnitResource =>
  encode(typeUrls.endpoint, ClusterLoadAssignmentSchema, assignment.upstream, buildLoadAssignment(assignment))

export const buildLoadAssignment = ({ upstream, localities }: LoadAssignment): LoadAssignmentInit => ({
  clusterName: upstream,
  endpoints: localities.map((each) => ({
    ...buildLocality(each),
    ...buildRank(each),
    lbEndpoints: each.endpoints.map(buildEndpoint),
  })),
})

export type LocalityFields = MessageFields<typeof LocalityLbEndpointsSchema>

export const buildLocality = ({ locality }: Pick<LocalityEndpoints, 'locality'>): Pick<LocalityFields, 'locality'> =>
  locality === '' ? {} : { locality: toLocality(locality) }

export const buildRank = ({
  priority,
  weight,
}: Pick<LocalityEndpoints, 'priority' | 'weight'>): Pick<LocalityFields, 'priority' | 'loadBalancingWeight'> => ({
  priority,
  ...(weight !== undefined && { loadBalancingWeight: weight }),
})

const toLocality = (locality: string): Locality => {
  const [region = '', zone = '', subZone = ''] = locality.split('/')
  return create(LocalitySchema, { region, zone, subZone })
}

export const buildEndpoint = (endpoint: UpstreamEndpoint): MessageFields<typeof LbEndpointSchema> => ({
  hostIdentifier: { case: 'endpoint', value: { address: buildAddress(endpoint.address, endpoint.port) } },
  ...(endpoint.weight !== 1 && { loadBalancingWeight: endpoint.weight }),
  ...(endpoint.isDraining && { healthStatus: HealthStatus.DRAINING }),
  ...(endpoint.transport !== 'mesh' && { metadata: transportMetadata[endpoint.transport] }),
  ...(endpoint.isGateway && { metadata: gatewayMetadata }),
})
