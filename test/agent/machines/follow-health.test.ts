import { EventEmitter } from 'node:events'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { expect, test } from 'vitest'
import { followHealth } from '#agent/machines/follow-health.ts'
import { HealthStatus } from '#envoy/envoy/config/core/v3/health_check_pb.ts'
import {
  HealthCheckRequestOrEndpointHealthResponseSchema,
  type HealthCheckSpecifier,
} from '#envoy/envoy/service/health/v3/hds_pb.ts'
import type { ReadinessProbe } from '#mesh/config/schema/readiness-probe.ts'
import { VirtualClock } from '../virtual-clock.ts'

type Incoming = Required<MessageInitShape<typeof HealthCheckRequestOrEndpointHealthResponseSchema>>

class FakeStream extends EventEmitter {
  readonly written: HealthCheckSpecifier[] = []

  write(message: HealthCheckSpecifier): void {
    this.written.push(message)
  }

  receive(requestType: Incoming['requestType']): void {
    this.emit('data', create(HealthCheckRequestOrEndpointHealthResponseSchema, { requestType }))
  }

  report(...healthStatuses: readonly HealthStatus[]): void {
    const endpointsHealth = healthStatuses.map((healthStatus) => ({ healthStatus }))
    const clusterEndpointsHealth = [{ localityEndpointsHealth: [{ endpointsHealth }] }]
    this.receive({ case: 'endpointHealthResponse', value: { clusterEndpointsHealth } })
  }
}

const follow = (first: ReadinessProbe | undefined) => {
  const [stream, clock, heard] = [new FakeStream(), new VirtualClock(), [] as string[]]
  const state = { probe: first }
  followHealth(stream, { clock, probe: () => state.probe, onHealth: (health) => heard.push(health) })
  stream.receive({ case: 'healthCheckRequest', value: {} })
  const ports = () =>
    stream.written.map(({ clusterHealthChecks: [check] }) => {
      const address = check?.localityEndpoints[0]?.endpoints[0]?.address?.address
      return address?.case === 'socketAddress' && address.value.portSpecifier.case === 'portValue'
        ? address.value.portSpecifier.value
        : 'nothing'
    })
  return { stream, clock, heard, state, ports }
}

test('a proxy is asked after the initial delay, and what it reports is heard', () => {
  const { stream, clock, heard, ports } = follow({ tcpSocket: { port: 1 }, initialDelaySeconds: 5 })
  clock.advance(4999)
  expect(ports()).toEqual([])
  clock.advance(1)
  expect(ports()).toEqual([1])
  stream.report(HealthStatus.UNHEALTHY)
  stream.report()
  stream.report(HealthStatus.HEALTHY)
  stream.report(HealthStatus.TIMEOUT)
  expect(heard).toEqual(['unhealthy', 'healthy', 'unhealthy'])
})

test('a probe that has changed is asked for at the next report, which is of the one before', () => {
  const { stream, clock, heard, state, ports } = follow(undefined)
  clock.advance(0)
  state.probe = { tcpSocket: { port: 2 } }
  stream.report()
  stream.report(HealthStatus.HEALTHY)
  state.probe = { tcpSocket: { port: 3 } }
  stream.report(HealthStatus.UNHEALTHY)
  expect(ports()).toEqual(['nothing', 2, 3])
  expect(heard).toEqual(['healthy'])
})

test('a proxy that has gone is asked nothing', () => {
  const { stream, clock, ports } = follow({ tcpSocket: { port: 1 }, initialDelaySeconds: 5 })
  stream.emit('cancelled')
  clock.advance(10_000)
  expect(ports()).toEqual([])
})
