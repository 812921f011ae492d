import type { EventEmitter } from 'node:events'
import type { HealthStatus } from '#envoy/envoy/config/core/v3/health_check_pb.ts'
import type { MachineToken } from '#mesh/state.ts'

/** What a machine of the WorkloadGroup shop/reviews is admitted by. */
export const token: MachineToken = {
  id: '0123456789abcdef',
  secretHash: '',
  role: 'sidecar',
  namespace: 'shop',
  serviceAccount: 'reviews',
  workload: 'reviews',
  group: true,
  expiresAt: '2100-01-01T00:00:00Z',
}

/** A proxy says that it is here. */
export const greet = (stream: EventEmitter): unknown =>
  stream.emit('data', { requestType: { case: 'healthCheckRequest', value: {} } })

/** A proxy has found its application so. */
export const report = (stream: EventEmitter, healthStatus: HealthStatus): unknown =>
  stream.emit('data', {
    requestType: {
      case: 'endpointHealthResponse',
      value: { clusterEndpointsHealth: [{ localityEndpointsHealth: [{ endpointsHealth: [{ healthStatus }] }] }] },
    },
  })
