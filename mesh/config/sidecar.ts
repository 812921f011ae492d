import { z } from 'zod'
import { istioNetworking } from './kind-definition.ts'
import type { KindDefinition } from './kind-definition.ts'
import { connectionPool } from './schema/connection-pool.ts'
import { destination } from './schema/destination.ts'
import { findRepeated } from './schema/find-repeated.ts'
import {
  fqdnFault,
  ipAddressFault,
  isDnsLabel,
  isPartialWildcard,
  isUnixAddress,
  unixAddressFault,
  wildcardDomainFault,
} from './schema/host-names.ts'
import { workloadSelector } from './schema/labels.ts'
import {
  checked,
  choice,
  isUnset,
  message,
  optionalText,
  unheeded,
  unheededField,
  unsupported,
} from './schema/message.ts'
import { optionalPortNumber, portName, protocolName } from './schema/ports.ts'

/** networking.istio.io SidecarPort. */
const sidecarPort = message({
  /** 0 or absent with a Unix domain socket. */
  number: optionalPortNumber,
  protocol: optionalText(protocolName),
  name: optionalText(portName),
  targetPort: unheededField(),
})
export type SidecarPort = z.output<typeof sidecarPort>

/** IPTABLES is DEFAULT: a workload's traffic is captured or not, whatever its Sidecar says. */
const captureMode = choice(['DEFAULT', 'IPTABLES', 'NONE']).optional()

const localHosts: readonly string[] = ['', '127.0.0.1', '0.0.0.0', '[::1]', '[::]']

const defaultEndpoint = checked(z.string(), ({ value, report }) => {
  if (isUnixAddress(value)) {
    const fault = unixAddressFault(value)
    if (fault !== undefined) report(fault)
    return
  }
  const colon = value.lastIndexOf(':')
  const port = value.slice(colon + 1)
  if (colon === -1 || !localHosts.includes(value.slice(0, colon))) {
    report('reads 127.0.0.1:<port>, [::1]:<port>, 0.0.0.0:<port>, [::]:<port> or unix:///path')
  } else if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    report(`"${port}" is not a port number from 1 to 65535`)
  }
})

const ingressListener = checked(
  message({
    port: sidecarPort,
    /** Absent: the workload's address. */
    bind: optionalText(z.string()),
    captureMode,
    /** Where the application listens; absent: the same port on loopback. */
    defaultEndpoint: optionalText(defaultEndpoint),
    /** Towards the application; absent = as inboundConnectionPool says. */
    connectionPool: connectionPool.optional(),
    tls: unsupported(
      "sidecars serve mesh mTLS only: Istio's ignore it too, unless ENABLE_TLS_ON_SIDECAR_INGRESS is set",
    ),
  }),
  ({ value, report }) => {
    if (value.port.number === undefined) report('is required', ['port', 'number'])
    const fault = value.bind === undefined ? undefined : ipAddressFault(value.bind)
    if (fault !== undefined) report(fault, ['bind'])
  },
)
export type IngressListener = z.output<typeof ingressListener>

const egressHostFault = (text: string): string | undefined => {
  const slash = text.indexOf('/')
  if (slash < 1 || slash === text.length - 1) return 'reads <namespace>/<host>, such as ./*, */*, prod/*.example.org'
  // A leading "~" takes the hosts out again.
  const namespace = text.slice(0, slash).replace(/^~/, '')
  const host = text.slice(slash + 1)
  if (namespace !== '' && namespace !== '*' && namespace !== '.' && !isDnsLabel(namespace))
    return `"${namespace}" is not a namespace`
  if (host !== '*' && !host.includes('.')) return `"${host}" is a short name: write the whole host name`
  const fault = wildcardDomainFault(host)
  if (fault !== undefined) return `"${host}" is not a host name: ${fault}`
  return isPartialWildcard(host) ? `"${host}": a wildcard stands for a whole label: "*.example.org"` : undefined
}

const egressHost = checked(z.string(), ({ value, report }) => {
  const fault = egressHostFault(value)
  if (fault !== undefined) report(fault)
})

const egressListener = checked(
  message({
    /** Absent: the catch-all, for all that no other listener names. */
    port: sidecarPort.optional(),
    bind: optionalText(z.string()),
    captureMode,
    /** "<namespace>/<host>"; "." = this namespace, "*" = every one; "~<namespace>" takes hosts out again, "~" alone those of every one. */
    hosts: z.array(egressHost).min(1, 'needs a host'),
  }),
  ({ value, report }) => {
    if (value.port === undefined) {
      if (value.bind !== undefined) report('needs a port', ['bind'])
      return
    }
    const bind = value.bind ?? ''
    if (value.port.number !== undefined) {
      const fault = bind === '' ? undefined : ipAddressFault(bind)
      if (fault !== undefined) report(fault, ['bind'])
    } else if (!isUnixAddress(bind)) {
      report('is required, unless bind is a Unix domain socket', ['port', 'number'])
    } else {
      const fault = unixAddressFault(bind)
      if (fault !== undefined) report(fault, ['bind'])
      if (value.captureMode === 'IPTABLES') report('must be DEFAULT or NONE with a Unix domain socket', ['captureMode'])
    }
  },
)
export type EgressListener = z.output<typeof egressListener>

const reportRepeated = (
  keys: readonly (string | number | undefined)[],
  report: (index: number, key: string | number) => void,
): void => {
  for (const index of findRepeated(keys)) report(index, keys[index] ?? '')
}

/** Istio reference: networking/sidecar. */
export const sidecarSpec = checked(
  message({
    workloadSelector: workloadSelector.optional(),
    ingress: checked(z.array(ingressListener), ({ value, report }) => {
      reportRepeated(
        value.map((each) => each.port.number),
        (index, port) => report(`port ${port} is listened on already`, [index, 'port', 'number']),
      )
    }).optional(),
    egress: checked(z.array(egressListener), ({ value, report }) => {
      for (const [index, { port }] of value.entries()) {
        if (port === undefined && index < value.length - 1)
          report('only the last listener may be without a port', [index])
      }
      reportRepeated(
        value.map((each) => each.port?.number),
        (index, port) => report(`port ${port} is listened on already`, [index, 'port', 'number']),
      )
      reportRepeated(
        value.map((each) => (each.port !== undefined && each.port.number === undefined ? each.bind : undefined)),
        (index, bind) => report(`${bind} is listened on already`, [index, 'bind']),
      )
    }).optional(),
    outboundTrafficPolicy: message({
      mode: choice(['REGISTRY_ONLY', 'ALLOW_ANY']).default('REGISTRY_ONLY'),
      /** Where what the mesh does not know is sent. */
      egressProxy: destination.optional(),
    }).optional(),
    /** Of all ports; absent = as DestinationRules of the services that the workload serves say. */
    inboundConnectionPool: connectionPool.optional(),
  }),
  ({ value, sound, report }) => {
    const listeners = (value.ingress?.length ?? 0) + (value.egress?.length ?? 0)
    if (sound && listeners === 0 && !value.outboundTrafficPolicy && !value.inboundConnectionPool)
      report('needs ingress, egress, outboundTrafficPolicy or inboundConnectionPool')
    const { mode, egressProxy } = value.outboundTrafficPolicy ?? {}
    if (!egressProxy) return
    const path = ['outboundTrafficPolicy', 'egressProxy']
    if (mode !== 'ALLOW_ANY') report('needs mode ALLOW_ANY', path)
    const fault = fqdnFault(egressProxy.host)
    if (fault !== undefined) report(`is not a host name: ${fault}`, [...path, 'host'])
    if (!egressProxy.port) report('is required', [...path, 'port'])
  },
)
export type SidecarSpec = z.output<typeof sidecarSpec>

const httpNames: readonly string[] = ['http', 'http_proxy', 'http2', 'grpc', 'grpc-web']
const isHttpName = (protocol: string | undefined): boolean => httpNames.includes(protocol?.toLowerCase() ?? '')

export const sidecar: KindDefinition<SidecarSpec> = {
  ...istioNetworking,
  kind: 'Sidecar',
  plural: 'sidecars',
  schema: sidecarSpec,
  check(object, report) {
    const selector = object.spec.workloadSelector
    if (selector && Object.keys(selector.labels ?? {}).length === 0) {
      report(['spec', 'workloadSelector'], 'selects every workload of the namespace', { severity: 'warning' })
    }
    for (const field of ['ingress', 'egress'] as const)
      for (const [index, { port }] of (object.spec[field] ?? []).entries())
        if (!isUnset(port?.targetPort))
          report(['spec', field, index, 'port', 'targetPort'], unheeded, { severity: 'warning' })
    for (const [index, { port, connectionPool: pool }] of (object.spec.ingress ?? []).entries()) {
      if (pool?.http && !isHttpName(port.protocol))
        report(['spec', 'ingress', index, 'connectionPool', 'http'], 'has no effect: the port is not HTTP', {
          severity: 'warning',
        })
    }
    for (const [index, { hosts }] of (object.spec.egress ?? []).entries()) {
      for (const place of findRepeated(hosts))
        report(['spec', 'egress', index, 'hosts', place], `"${hosts[place]}" is there already`, { severity: 'warning' })
    }
  },
}
