import { z } from 'zod'
import type { KindDefinition } from './kind-definition.ts'
import { exportToFaults } from './schema/export-to.ts'
import { ipAddressFault } from './schema/host-names.ts'
import { labels } from './schema/labels.ts'
import { checked, choice, message, optionalText, unsupported, withoutEffect } from './schema/message.ts'
import { portNumber } from './schema/ports.ts'

/** Upstream Istio's annotation: the namespaces that may call the service, separated by commas. */
export const exportToAnnotation = 'networking.istio.io/exportTo'

/** IANA service name (RFC 6335): the name of a port of a container, which a WorkloadEntry's `ports` maps to a number. */
const namedPort = z
  .string()
  .regex(/^(?=.{1,15}$)(?=.*[a-z])[a-z0-9](?:-?[a-z0-9])*$/, 'must be a port number or the name of a port')

const lowerCaseLabel = z.string().regex(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/, 'must be a DNS label in lower case')

const udp = 'only TCP is proxied'

const servicePort = message({
  name: optionalText(lowerCaseLabel),
  port: portNumber,
  targetPort: z.union([portNumber, namedPort], 'must be a port number or the name of a port').optional(),
  protocol: choice(['TCP'], { UDP: udp, SCTP: udp }).optional(),
  appProtocol: optionalText(z.string().max(316)),
  nodePort: withoutEffect(),
})

const ports = checked(z.array(servicePort), ({ value, report }) => {
  for (const [index, { name, port }] of value.entries()) {
    const earlier = value.slice(0, index)
    if (earlier.some((other) => other.port === port)) report(`port ${port} is there already`, [index, 'port'])
    if (name === undefined && value.length > 1) report('is required when there are several ports', [index, 'name'])
    if (name !== undefined && earlier.some((other) => other.name === name))
      report(`a port "${name}" is there already`, [index, 'name'])
  }
}).default([])

const virtualAddress = checked(z.string(), ({ value, report }) => {
  const fault = value === 'None' ? undefined : ipAddressFault(value)
  if (fault !== undefined) report(`${fault} or None`)
})

/** Kubernetes reference: Service v1 core, as far as clusters outside Kubernetes have a use for it. */
export const serviceSpec = message({
  ports,
  selector: labels.optional(),
  type: choice(['ClusterIP', 'NodePort', 'LoadBalancer'], {
    ExternalName: 'aliases are not supported: write a ServiceEntry',
  }).optional(),
  /** A virtual address that clients may use beside the host name; "None" = there is none. */
  clusterIP: optionalText(virtualAddress),
  clusterIPs: z.array(virtualAddress).max(2).optional(),
  externalName: unsupported('aliases are not supported: write a ServiceEntry'),
  sessionAffinity: choice(['None'], { ClientIP: 'write a DestinationRule with consistentHash.useSourceIp' }).optional(),
  sessionAffinityConfig: unsupported('write a DestinationRule with consistentHash.useSourceIp'),
  internalTrafficPolicy: choice(['Cluster'], { Local: 'keeping traffic on its node is not supported' }).optional(),
  trafficDistribution: unsupported("load balancing by locality can't be set"),
  publishNotReadyAddresses: unsupported('traffic to endpoints that are not ready is not supported'),
  allocateLoadBalancerNodePorts: withoutEffect(),
  externalIPs: withoutEffect(),
  externalTrafficPolicy: withoutEffect(),
  healthCheckNodePort: withoutEffect(),
  ipFamilies: withoutEffect(),
  ipFamilyPolicy: withoutEffect(),
  loadBalancerClass: withoutEffect(),
  loadBalancerIP: withoutEffect(),
  loadBalancerSourceRanges: withoutEffect(),
})
export type ServiceSpec = z.output<typeof serviceSpec>

/** The namespaces that may call a service, as its annotation says; all of them without one. */
export const exportToOf = (annotations: Readonly<Record<string, string>> | undefined): readonly string[] =>
  annotations?.[exportToAnnotation]?.split(',').map((entry) => entry.trim()) ?? ['*']

export const service: KindDefinition<ServiceSpec> = {
  group: '',
  versions: ['v1'],
  kind: 'Service',
  plural: 'services',
  schema: serviceSpec,
  check({ metadata, spec }, report) {
    if (!lowerCaseLabel.safeParse(metadata.name).success)
      report(['metadata', 'name'], 'must be a DNS label in lower case')
    for (const { message: fault } of exportToFaults(exportToOf(metadata.annotations), metadata.namespace, {
      none: true,
    })) {
      report(['metadata', 'annotations', exportToAnnotation], fault)
    }
    if (spec.ports.length === 0)
      report(['spec', 'ports'], 'a service without ports can not be called', { severity: 'warning' })
    if (Object.keys(spec.selector ?? {}).length === 0) {
      report(['spec', 'selector'], 'without a selector the service has no endpoints', { severity: 'warning' })
    }
  },
}
