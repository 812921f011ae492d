import { z } from 'zod'
import { checkExportTo, istioNetworking } from './kind-definition.ts'
import type { KindDefinition } from './kind-definition.ts'
import { findRepeated } from './schema/find-repeated.ts'
import {
  hostPattern,
  ipAddressOrCidr,
  isIpAddress,
  isPartialWildcard,
  isUnixAddress,
  isWildcard,
} from './schema/host-names.ts'
import { workloadSelector } from './schema/labels.ts'
import { checked, choice, message, optionalText } from './schema/message.ts'
import { isStreamProtocol, optionalPortNumber, portName, portNumber, protocolName } from './schema/ports.ts'
import { gatewayEndpointFault, workloadEntrySpec } from './workload-entry.ts'

/** networking.istio.io ServicePort. */
const servicePort = message({
  number: portNumber,
  name: portName,
  /** Absent: sniffed. */
  protocol: optionalText(protocolName),
  /** The endpoints' port; absent: the same number. */
  targetPort: optionalPortNumber,
})

const ports = checked(z.array(servicePort).max(256), ({ value, report }) => {
  for (const index of findRepeated(value.map(({ number }) => number)))
    report(`port ${value[index]?.number} is there already`, [index, 'number'])
  for (const index of findRepeated(value.map(({ name }) => name)))
    report(`a port "${value[index]?.name}" is there already`, [index, 'name'])
}).default([])

const fields = message({
  hosts: z
    .array(
      checked(hostPattern, ({ value, report }) => {
        if (value === '*') report('"*" is not possible')
      }),
    )
    .min(1, 'needs a host')
    .max(256),
  addresses: z.array(ipAddressOrCidr).max(256).optional(),
  ports,
  location: choice(['MESH_EXTERNAL', 'MESH_INTERNAL']).default('MESH_EXTERNAL'),
  resolution: choice(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS']).default('NONE'),
  endpoints: z.array(workloadEntrySpec).max(4096).optional(),
  workloadSelector: workloadSelector.optional(),
  exportTo: z.array(z.string()).optional(),
  subjectAltNames: z.array(z.string().min(1, 'must not be empty')).optional(),
})
export type ServiceEntrySpec = z.output<typeof fields>

const byDns = ({ resolution }: Pick<ServiceEntrySpec, 'resolution'>): boolean =>
  resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN'

type FieldReport = (message: string, path: readonly PropertyKey[]) => void

const checkEndpoints = (spec: ServiceEntrySpec, report: FieldReport): void => {
  const portNames = new Set(spec.ports.map((port) => port.name))
  for (const [index, endpoint] of (spec.endpoints ?? []).entries()) {
    const unix = isUnixAddress(endpoint.address)
    if (endpoint.address === '') {
      if (byDns(spec)) report('is required with resolution DNS', ['endpoints', index, 'address'])
    } else if (spec.resolution === 'STATIC' && !unix && !isIpAddress(endpoint.address)) {
      report('must be an IP address or unix:///path with resolution STATIC', ['endpoints', index, 'address'])
    }
    if (spec.resolution !== 'STATIC' && unix)
      report('a Unix domain socket needs resolution STATIC', ['endpoints', index, 'address'])
    if (unix && spec.ports.length !== 1)
      report('a Unix domain socket needs exactly one port in spec.ports', ['endpoints', index, 'address'])
    for (const name of Object.keys(endpoint.ports ?? {})) {
      if (!portNames.has(name)) report('is not the name of a port in spec.ports', ['endpoints', index, 'ports', name])
    }
  }
}

const checkResolution = (spec: ServiceEntrySpec, report: FieldReport): void => {
  const endpointCount = spec.endpoints?.length ?? 0
  if (spec.resolution === 'NONE' && endpointCount > 0) report('are not possible with resolution NONE', ['endpoints'])
  if (spec.resolution === 'DNS_ROUND_ROBIN' && endpointCount > 1)
    report('takes one at most with resolution DNS_ROUND_ROBIN', ['endpoints'])
  if (byDns(spec) && spec.addresses?.some((address) => address.includes('/')))
    report('CIDR blocks need resolution NONE or STATIC', ['addresses'])
  const wildcard = spec.hosts.findIndex(isWildcard)
  if (byDns(spec) && endpointCount === 0 && wildcard !== -1) {
    report('a wildcard can not be resolved: name endpoints, or use resolution DYNAMIC_DNS', ['hosts', wildcard])
  }
}

const namedByClients: readonly string[] = ['http', 'http2', 'grpc', 'tls']

/** The host that a client names is all that there is to go by. */
const checkDynamicDns = (spec: ServiceEntrySpec, report: FieldReport): void => {
  if (spec.resolution !== 'DYNAMIC_DNS') return
  for (const [index, host] of spec.hosts.entries())
    if (!isWildcard(host)) report('must be a wildcard with resolution DYNAMIC_DNS', ['hosts', index])
  for (const field of ['addresses', 'endpoints'] as const)
    if (spec[field]?.length) report('are not possible with resolution DYNAMIC_DNS', [field])
  for (const [index, { protocol }] of spec.ports.entries()) {
    if (!namedByClients.includes(protocol?.toLowerCase() ?? ''))
      report('must be HTTP, HTTP2, GRPC or TLS with resolution DYNAMIC_DNS', ['ports', index, 'protocol'])
  }
}

/** Istio reference: networking/service-entry. */
export const serviceEntrySpec = checked(fields, ({ value, report }) => {
  checkEndpoints(value, report)
  checkResolution(value, report)
  checkDynamicDns(value, report)
  if (value.workloadSelector && value.endpoints) report('takes only one of endpoints, workloadSelector')
  // Nothing in a plain TCP stream tells which of the hosts is meant.
  const streamPort = value.ports.findIndex((port) => isStreamProtocol(port.protocol))
  if (value.resolution !== 'NONE' && value.hosts.length > 1 && streamPort !== -1) {
    report('with several hosts every port must be HTTP or TLS', ['ports', streamPort, 'protocol'])
  }
})

/** Of Istio's ambient mode. */
const waypointLabel = 'istio.io/use-waypoint'

export const serviceEntry: KindDefinition<ServiceEntrySpec> = {
  ...istioNetworking,
  kind: 'ServiceEntry',
  plural: 'serviceentries',
  schema: serviceEntrySpec,
  check(object, report) {
    checkExportTo(object, report, { none: true })
    for (const [index, host] of object.spec.hosts.entries()) {
      if (isPartialWildcard(host) && object.spec.resolution !== 'DYNAMIC_DNS')
        report(['spec', 'hosts', index], 'a wildcard stands for a whole label: "*.example.org"', {
          severity: 'warning',
        })
    }
    for (const [index, endpoint] of (object.spec.endpoints ?? []).entries()) {
      const fault = gatewayEndpointFault(endpoint)
      if (fault !== undefined)
        report(['spec', 'endpoints', index, 'address'], fault, { severity: 'warning', code: 'ineffective' })
    }
    const waypoint = object.metadata.labels?.[waypointLabel] ?? ''
    const isWithWaypoint = waypoint !== '' && waypoint.toLowerCase() !== 'none'
    if (isWithWaypoint && object.spec.resolution === 'DYNAMIC_DNS' && object.spec.location === 'MESH_INTERNAL')
      report(['spec', 'location'], 'must be MESH_EXTERNAL with resolution DYNAMIC_DNS and a waypoint')
    const { addresses = [], ports, resolution } = object.spec
    const stream = ports.findIndex(({ protocol }) => isStreamProtocol(protocol))
    if (stream !== -1 && addresses.length === 0 && resolution !== 'DYNAMIC_DNS') {
      const message =
        resolution === 'NONE'
          ? 'without addresses all TCP to its port is taken for it that nobody else has, where traffic is captured'
          : 'without addresses TCP is told from that of other hosts by its port alone, where traffic is captured'
      report(['spec', 'ports', stream, 'protocol'], message, { severity: 'warning', code: 'ambiguous' })
    }
    const selector = object.spec.workloadSelector
    if (resolution === 'STATIC' && !selector && (object.spec.endpoints ?? []).length === 0)
      report(['spec', 'endpoints'], 'without endpoints or a workloadSelector the service has no endpoints', {
        severity: 'warning',
      })
    if (selector && object.spec.resolution === 'NONE') {
      report(['spec', 'workloadSelector'], 'has no effect with resolution NONE', { severity: 'warning' })
    } else if (selector && Object.keys(selector.labels ?? {}).length === 0) {
      report(['spec', 'workloadSelector'], 'selects every workload of the namespace: it has no labels', {
        severity: 'warning',
      })
    }
  },
}
