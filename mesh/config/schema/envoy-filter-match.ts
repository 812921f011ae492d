import { z } from 'zod'
import { checked, choice, fieldNotes, message, optionalText, unsupported } from './message.ts'
import { regularExpressionFault } from './regular-expression.ts'

/** A protobuf uint32, where 0 is unset. */
const optionalNumber = z
  .preprocess((value) => (value === 0 ? undefined : value), z.int().min(1).max(0xffff_ffff).optional())
  .optional()
const text = optionalText(z.string())

/** Istio: a longer one is not compiled, and selects no proxy. */
export const maxVersionLength = 1024

const proxyMatch = message({
  /** RE2, of the Istio release whose API Atoll has. */
  proxyVersion: optionalText(
    checked(z.string(), ({ value, report }) => {
      const fault = value.length > maxVersionLength ? undefined : regularExpressionFault(value)
      if (fault !== undefined) report(fault)
    }),
  ),
  metadata: z
    .record(z.string(), z.string())
    .optional()
    .register(fieldNotes, { limit: 'NAME, NAMESPACE, SERVICE_ACCOUNT, CLUSTER_ID, NETWORK' }),
})

const filterMatch = checked(
  message({
    name: z.string().min(1, 'is required').default(''),
    /** Of an HTTP connection manager. */
    subFilter: message({ name: z.string().min(1, 'is required').default('') }).optional(),
  }),
  ({ value, report }) => {
    if (value.name === '') report('is required', ['name'])
    if (value.subFilter?.name === '') report('is required', ['subFilter', 'name'])
  },
)

const listenerMatch = message({
  portNumber: optionalNumber,
  /** Nothing follows from it in Istio either. */
  portName: optionalText(z.string()).register(fieldNotes, { withoutEffect: true }),
  filterChain: message({
    name: text,
    sni: text,
    transportProtocol: text,
    /** Separated by commas: the chain has to have all of them. */
    applicationProtocols: text,
    filter: filterMatch.optional(),
    destinationPort: optionalNumber,
  }).optional(),
  listenerFilter: text,
  name: text,
})

const routeConfigurationMatch = message({
  portNumber: optionalNumber,
  /** Of gateways, as is `gateway`. */
  portName: text,
  /** "<namespace>/<name>" */
  gateway: text,
  vhost: message({
    name: text,
    domainName: text,
    route: message({
      name: text,
      action: choice(['ANY', 'ROUTE', 'REDIRECT', 'DIRECT_RESPONSE']).default('ANY'),
    }).optional(),
  }).optional(),
  name: text,
})

const clusterMatch = message({
  portNumber: optionalNumber,
  service: text,
  subset: text,
  name: text,
})

const objectMatches = ['listener', 'routeConfiguration', 'cluster'] as const

const noWaypoints = 'there are no waypoint proxies: Atoll has sidecars and gateways'

/** networking.istio.io EnvoyFilter.EnvoyConfigObjectMatch. */
export const envoyFilterMatch = checked(
  message({
    context: choice(['ANY', 'SIDECAR_INBOUND', 'SIDECAR_OUTBOUND', 'GATEWAY'], { WAYPOINT: noWaypoints }).default(
      'ANY',
    ),
    proxy: proxyMatch.optional(),
    listener: listenerMatch.optional(),
    routeConfiguration: routeConfigurationMatch.optional(),
    cluster: clusterMatch.optional(),
    waypoint: unsupported(noWaypoints),
  }),
  ({ value, report }) => {
    const [, second] = objectMatches.filter((field) => value[field] !== undefined)
    if (second !== undefined) report('there can be one of listener, routeConfiguration and cluster', [second])
  },
)
export type EnvoyFilterMatch = z.output<typeof envoyFilterMatch>
