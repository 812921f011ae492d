import { z } from 'zod'
import type { TrafficDistribution } from '../service.ts'
import type { KindDefinition } from './kind-definition.ts'
import { exportToFaults } from './schema/export-to.ts'
import { fqdnFault, ipAddressFault } from './schema/host-names.ts'
import { labels } from './schema/labels.ts'
import { checked, choice, fieldNotes, message, optionalText, withoutEffect } from './schema/message.ts'
import { portNumber } from './schema/ports.ts'
import { findRepeated } from './schema/find-repeated.ts'

/** Upstream Istio's annotation: the namespaces that may call the service, separated by commas. */
export const exportToAnnotation = 'networking.istio.io/exportTo'

/** IANA service name (RFC 6335): the name of a port of a container, which a WorkloadEntry's `ports` maps to a number. */
const namedPort = z
  .string()
  .regex(/^(?=.{1,15}$)(?=.*[a-z])[a-z0-9](?:-?[a-z0-9])*$/, 'must be a port number or the name of a port')

const lowerCaseLabel = z.string().regex(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/, 'must be a DNS label in lower case')

const servicePort = message({
  name: optionalText(lowerCaseLabel),
  port: portNumber,
  targetPort: z.union([portNumber, namedPort], 'must be a port number or the name of a port').optional(),
  protocol: choice(['TCP', 'UDP', 'SCTP'])
    .optional()
    .register(fieldNotes, { limit: '`TCP`; ports with `UDP` or `SCTP` are left out, with a warning' }),
  appProtocol: optionalText(z.string().max(316)),
  nodePort: withoutEffect(),
})

type ServicePort = z.output<typeof servicePort>

/** Whether sidecars have to do with a port; Istio passes over all but TCP too. */
export const isProxied = ({ protocol = 'TCP' }: ServicePort): boolean => protocol === 'TCP'

const ports = checked(z.array(servicePort), ({ value, report }) => {
  for (const index of findRepeated(value.map(({ port, protocol = 'TCP' }) => `${port}/${protocol}`)))
    report(`port ${value[index]?.port} is there already`, [index, 'port'])
  for (const index of findRepeated(value.map(({ name }) => name)))
    report(`a port "${value[index]?.name}" is there already`, [index, 'name'])
  if (value.length < 2) return
  for (const [index, { name }] of value.entries())
    if (name === undefined) report('is required when there are several ports', [index, 'name'])
}).default([])

const virtualAddress = checked(z.string(), ({ value, report }) => {
  const fault = value === 'None' ? undefined : ipAddressFault(value)
  if (fault !== undefined) report(`${fault} or None`)
})

const hostName = checked(z.string(), ({ value, report }) => {
  const fault = fqdnFault(value)
  if (fault !== undefined) report(`is not a host name: ${fault}`)
})

/** Kubernetes reference: Service v1 core, as far as clusters outside Kubernetes have a use for it. */
export const serviceSpec = message({
  ports,
  selector: labels.optional(),
  type: choice(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).optional(),
  /** A virtual address that clients may use beside the host name; "None" = there is none. */
  clusterIP: optionalText(virtualAddress),
  clusterIPs: z.array(virtualAddress).max(2).optional(),
  externalName: optionalText(hostName).register(fieldNotes, {
    limit: 'another name of a service of the mesh, by its full host name; any other host is resolved by proxies',
  }),
  sessionAffinity: choice(['None', 'ClientIP'])
    .optional()
    .register(fieldNotes, { withoutEffect: 'as in Istio, a DestinationRule says it' }),
  sessionAffinityConfig: withoutEffect(),
  internalTrafficPolicy: choice(['Cluster', 'Local'])
    .optional()
    .register(fieldNotes, { limit: 'a machine is a node by its address' }),
  trafficDistribution: optionalText(choice(['PreferClose', 'PreferSameZone', 'PreferSameNode'])),
  publishNotReadyAddresses: withoutEffect(z.boolean(), 'Kubernetes says of each endpoint whether it is ready'),
  allocateLoadBalancerNodePorts: withoutEffect(),
  externalIPs: withoutEffect(z.unknown(), 'in Kubernetes those of an east-west gateway are where other networks enter'),
  externalTrafficPolicy: withoutEffect(),
  healthCheckNodePort: withoutEffect(),
  ipFamilies: withoutEffect(),
  ipFamilyPolicy: withoutEffect(),
  loadBalancerClass: withoutEffect(),
  loadBalancerIP: withoutEffect(),
  loadBalancerSourceRanges: withoutEffect(),
})
export type ServiceSpec = z.output<typeof serviceSpec>

/** Istio's annotation for clusters whose Services have no such field. */
export const trafficDistributionAnnotation = 'networking.istio.io/traffic-distribution'

const distributions: ReadonlyMap<string, TrafficDistribution> = new Map([
  ['preferclose', 'PreferSameZone'],
  ['prefersamezone', 'PreferSameZone'],
  ['prefersamenode', 'PreferSameNode'],
])

/** Which endpoints clients of a service prefer; the field goes before the annotation, where case does not count. */
export const trafficDistributionOf = (
  field: string | undefined,
  annotations: Readonly<Record<string, string>> | undefined,
): TrafficDistribution | undefined =>
  distributions.get((field ?? annotations?.[trafficDistributionAnnotation] ?? '').toLowerCase())

/** The namespaces that may call a service, as its annotation says; undefined without one. */
export const exportToOf = (annotations: Readonly<Record<string, string>> | undefined): readonly string[] | undefined =>
  annotations?.[exportToAnnotation]?.split(',').map((entry) => entry.trim())

export const service: KindDefinition<ServiceSpec> = {
  group: '',
  versions: ['v1'],
  kind: 'Service',
  plural: 'services',
  schema: serviceSpec,
  check({ metadata, spec }, report) {
    if (!lowerCaseLabel.safeParse(metadata.name).success)
      report(['metadata', 'name'], 'must be a DNS label in lower case')
    for (const { message: fault } of exportToFaults(exportToOf(metadata.annotations) ?? [], metadata.namespace, {
      none: true,
    })) {
      report(['metadata', 'annotations', exportToAnnotation], fault)
    }
    if (spec.sessionAffinity === 'ClientIP')
      report(
        ['spec', 'sessionAffinity'],
        'sidecars do not heed it: write a DestinationRule with consistentHash.useSourceIp',
        {
          severity: 'warning',
        },
      )
    for (const [index, port] of spec.ports.entries()) {
      if (!isProxied(port))
        report(['spec', 'ports', index], `only TCP is proxied: this ${port.protocol} port is left out`, {
          code: 'unsupported',
          severity: 'warning',
        })
    }
    if (spec.type === 'ExternalName') {
      if (spec.externalName === undefined) report(['spec', 'externalName'], 'is required of an ExternalName')
      if (spec.clusterIP !== undefined && spec.clusterIP !== 'None')
        report(['spec', 'clusterIP'], 'an ExternalName has none')
      return
    }
    if (spec.ports.length === 0)
      report(['spec', 'ports'], 'a service without ports can not be called', { severity: 'warning' })
    if (Object.keys(spec.selector ?? {}).length === 0) {
      report(['spec', 'selector'], 'without a selector the service has no endpoints', { severity: 'warning' })
    }
  },
}
