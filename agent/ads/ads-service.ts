import type { MethodDefinition } from '@grpc/grpc-js'
import {
  fromBinary,
  toBinary,
  type DescMethod,
  type DescMethodBiDiStreaming,
  type MessageShape,
} from '@bufbuild/protobuf'
import { AggregatedDiscoveryService } from '#envoy/envoy/service/discovery/v3/ads_pb.ts'
import {
  HealthCheckRequestOrEndpointHealthResponseSchema,
  HealthCheckSpecifierSchema,
  HealthDiscoveryService,
  type HealthCheckSpecifier,
} from '#envoy/envoy/service/health/v3/hds_pb.ts'
import { serializeResponse, type WireResponse } from './discovery-response.ts'

/** A grpc-js method whose requests are decoded, and whose responses are encoded already but for their joints. */
const toMethodDefinition = <Method extends DescMethodBiDiStreaming>(
  method: Method,
): MethodDefinition<MessageShape<Method['input']>, WireResponse> => ({
  path: toPath(method),
  requestStream: true,
  responseStream: true,
  requestSerialize: unused,
  requestDeserialize: (bytes) => fromBinary(method.input, bytes) as MessageShape<Method['input']>,
  responseSerialize: serializeResponse,
  responseDeserialize: unused,
})

const toPath = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`

const unused = (): never => {
  throw new Error('this definition is for a server')
}

/** envoy.service.discovery.v3.AggregatedDiscoveryService, both of its variants. */
export const adsService = {
  streamAggregatedResources: toMethodDefinition(AggregatedDiscoveryService.method.streamAggregatedResources),
  deltaAggregatedResources: toMethodDefinition(AggregatedDiscoveryService.method.deltaAggregatedResources),
}

/** envoy.service.health.v3.HealthDiscoveryService: what a proxy is to probe, and what it has found. */
export const healthService = {
  streamHealthCheck: {
    path: toPath(HealthDiscoveryService.method.streamHealthCheck),
    requestStream: true,
    responseStream: true,
    requestSerialize: unused,
    requestDeserialize: (bytes: Buffer) => fromBinary(HealthCheckRequestOrEndpointHealthResponseSchema, bytes),
    responseSerialize: (message: HealthCheckSpecifier) => Buffer.from(toBinary(HealthCheckSpecifierSchema, message)),
    responseDeserialize: unused,
  },
} as const
