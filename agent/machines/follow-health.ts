import type { Clock } from '#agent/clock.ts'
import type {
  HealthCheckRequestOrEndpointHealthResponse,
  HealthCheckSpecifier,
} from '#envoy/envoy/service/health/v3/hds_pb.ts'
import { HealthStatus } from '#envoy/envoy/config/core/v3/health_check_pb.ts'
import type { ReadinessProbe } from '#mesh/config/schema/readiness-probe.ts'
import { isEqualData } from '#mesh/merge/equal-data.ts'
import type { GroupMachine } from '#mesh/registry-records/machine-groups.ts'
import { buildHealthChecks } from '#xds/build/build-health-checks.ts'

/** A stream of envoy.service.health.v3.HealthDiscoveryService. */
export interface HealthStream {
  write(message: HealthCheckSpecifier): unknown
  on(event: 'data', listener: (message: HealthCheckRequestOrEndpointHealthResponse) => void): unknown
  once(event: 'cancelled', listener: () => void): unknown
}

export interface HealthFollowing {
  readonly clock: Clock
  /** As it is now. */
  readonly probe: () => ReadinessProbe | undefined
  readonly onHealth: (health: NonNullable<GroupMachine['health']>) => void
}

/**
 * Has the proxy at the other end probe its application, and hears what it finds. A proxy reports as often as it probes, so that each report
 * is the time to see whether the probe is still the same.
 */
export const followHealth = (stream: HealthStream, { clock, probe, onHealth }: HealthFollowing): void => {
  let asked: ReadinessProbe | undefined
  let isAwaited = false
  let cancel = (): void => {}
  const ask = (): void => {
    asked = probe()
    stream.write(buildHealthChecks(asked))
  }
  stream.once('cancelled', () => cancel())
  stream.on('data', ({ requestType }) => {
    // Envoy says it once on a stream. Who says it again and again, and reads nothing, would fill memory with answers.
    if (requestType.case === 'healthCheckRequest' && !isAwaited) {
      isAwaited = true
      cancel = clock.after((probe()?.initialDelaySeconds ?? 0) * 1000, ask)
    }
    if (requestType.case !== 'endpointHealthResponse') return
    if (!isEqualData(asked, probe())) return ask()
    const [found] = requestType.value.clusterEndpointsHealth
      .flatMap(({ localityEndpointsHealth }) => localityEndpointsHealth)
      .flatMap(({ endpointsHealth }) => endpointsHealth)
    if (asked && found) onHealth(found.healthStatus === HealthStatus.HEALTHY ? 'healthy' : 'unhealthy')
  })
}
