import { create } from '@bufbuild/protobuf'
import { HealthCheckSchema, type HealthCheck } from '#envoy/envoy/config/core/v3/health_check_pb.ts'
import { RequestMethod } from '#envoy/envoy/config/core/v3/base_pb.ts'
import { UpstreamTlsContextSchema } from '#envoy/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts'
import { HealthCheckSpecifierSchema, type HealthCheckSpecifier } from '#envoy/envoy/service/health/v3/hds_pb.ts'
import type { ReadinessProbe } from '#mesh/config/schema/readiness-probe.ts'
import { buildAddress } from './address.ts'
import { toAny } from './any.ts'
import { toDuration } from './duration.ts'

const application = 'application'
const loopback = '127.0.0.1'
/** How often a proxy that has nothing to probe says so. */
const idleSeconds = 10

/** What a machine's proxy probes of its application, with the defaults of Kubernetes' probes (Istio reference: ReadinessProbe). */
export const buildHealthChecks = (probe: ReadinessProbe | undefined): HealthCheckSpecifier => {
  const interval = toDuration((probe?.periodSeconds || idleSeconds) * 1000)
  const target = probe?.httpGet ?? probe?.tcpSocket
  if (!probe || !target) return create(HealthCheckSpecifierSchema, { interval })
  const address = buildAddress(target.host ?? loopback, target.port)
  return create(HealthCheckSpecifierSchema, {
    interval,
    clusterHealthChecks: [
      {
        clusterName: application,
        healthChecks: [buildHealthCheck(probe)],
        localityEndpoints: [{ endpoints: [{ address }] }],
        transportSocketMatches: probe.httpGet?.scheme === 'HTTPS' ? [unverifiedTls] : [],
      },
    ],
  })
}

const buildHealthCheck = (probe: ReadinessProbe): HealthCheck => {
  const interval = toDuration((probe.periodSeconds || 10) * 1000)
  return create(HealthCheckSchema, {
    timeout: toDuration((probe.timeoutSeconds || 1) * 1000),
    interval,
    // A cluster that nobody calls is probed as often as another.
    noTrafficInterval: interval,
    noTrafficHealthyInterval: interval,
    healthyThreshold: probe.successThreshold || 1,
    unhealthyThreshold: probe.failureThreshold || 3,
    reuseConnection: false,
    healthChecker: probe.httpGet
      ? { case: 'httpHealthCheck', value: toHttpCheck(probe.httpGet) }
      : { case: 'tcpHealthCheck', value: {} },
  })
}

const toHttpCheck = ({ path, host, port, httpHeaders = [] }: NonNullable<ReadinessProbe['httpGet']>) => {
  const named = httpHeaders.find(({ name }) => name.toLowerCase() === 'host')
  return {
    host: named?.value || `${host ?? loopback}:${port}`,
    path: path || '/',
    method: RequestMethod.GET,
    expectedStatuses: [{ start: 200n, end: 400n }],
    requestHeadersToAdd: httpHeaders
      .filter((header) => header !== named)
      .map(({ name, value = '' }) => ({ header: { key: name, value }, keepEmptyValue: true })),
  }
}

/** As Kubernetes probes: who answers on the own machine need not prove who it is. */
const unverifiedTls = {
  name: 'tls',
  match: {},
  transportSocket: {
    name: 'envoy.transport_sockets.tls',
    configType: { case: 'typedConfig' as const, value: toAny(UpstreamTlsContextSchema, {}) },
  },
}
