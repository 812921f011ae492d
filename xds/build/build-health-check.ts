import { create } from '@bufbuild/protobuf'
import { HealthCheckSchema } from '#envoy/envoy/config/core/v3/health_check_pb.ts'
import type { HealthCheck } from '#xds/model/upstream.ts'
import { toDuration } from './duration.ts'
import type { MessageFields } from './message-fields.ts'

/** Envoy has intervals of their own for what no request has gone to yet; here they are the same. */
export const buildHealthCheck = ({ check, timeoutMs, intervalMs, unhealthyIntervalMs }: HealthCheck) => {
  const interval = toDuration(intervalMs)
  const unhealthyInterval = toDuration(unhealthyIntervalMs)
  return create(HealthCheckSchema, {
    timeout: toDuration(timeoutMs),
    interval,
    noTrafficHealthyInterval: interval,
    unhealthyInterval,
    noTrafficInterval: unhealthyInterval,
    healthyThreshold: 1,
    unhealthyThreshold: 1,
    reuseConnection: false,
    healthChecker: buildChecker(check),
  })
}

const buildChecker = (
  check: HealthCheck['check'],
): NonNullable<MessageFields<typeof HealthCheckSchema>['healthChecker']> =>
  check.kind === 'tcp'
    ? { case: 'tcpHealthCheck', value: {} }
    : { case: 'grpcHealthCheck', value: { serviceName: check.service, authority: check.authority } }
