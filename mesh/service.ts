import { z } from 'zod'
import { clusterName, networkName, serviceKey } from './names.ts'

/**
 * What a cluster offers to the mesh: services and their endpoints, as immutable records. The registry of an agent makes
 * them (from Kubernetes or from files), the uplink carries them, the MeshView merges them, the compiler reads them.
 */

/** How the bytes on a port are to be understood. `auto` is sniffed. Istio: "Protocol Selection". */
export const protocol = z.enum(['http', 'http2', 'grpc', 'grpc-web', 'https', 'tls', 'tcp', 'auto'])
export type Protocol = z.infer<typeof protocol>

export const isHttpProtocol = (value: Protocol): boolean =>
  value === 'http' || value === 'http2' || value === 'grpc' || value === 'grpc-web'

export const servicePort = z
  .object({ name: z.string().max(63), number: z.int().min(1).max(65535), protocol })
  .readonly()
export type ServicePort = z.infer<typeof servicePort>

export const trafficDistribution = z.enum(['PreferSameZone', 'PreferSameNode'])
export type TrafficDistribution = z.infer<typeof trafficDistribution>

const stringMap = z.record(z.string(), z.string()).readonly()

export const service = z
  .object({
    key: serviceKey,
    namespace: z.string(),
    hostname: z.string(),
    /** Virtual IPs under which clients may also address the service. */
    addresses: z.array(z.string()).readonly(),
    ports: z.array(servicePort).readonly(),
    /** Istio ServiceEntry.Resolution; a `Service` is `static` (its endpoints are known). */
    resolution: z.enum(['static', 'dns', 'dns-round-robin', 'none']),
    /**
     * With resolution `none`: clients are brought to the host that they name, which their proxy resolves, wherever they connect to (Istio's
     * DYNAMIC_DNS). Absent = to where they connect, if that is known.
     */
    isNamedByClient: z.literal(true).optional(),
    /** The host that it is another name of: it has no endpoints of its own. Kubernetes: Service.externalName. Absent = it is none. */
    aliasOf: z.string().optional(),
    location: z.enum(['mesh-internal', 'mesh-external']),
    /** Namespaces that may call it: names, "." for its own, "*" for all, "~" for none. Istio: exportTo. Never empty. */
    exportTo: z.array(z.string()).readonly(),
    /** It says nothing of that itself: the mesh's default counts, where there is one (`withDefaultExport`), and else `exportTo` is "*". */
    isExportedByDefault: z.literal(true).optional(),
    source: z.enum(['service', 'service-entry']),
    /** Which endpoints clients prefer, where no rule says it. Kubernetes: Service.trafficDistribution. Absent = none. */
    trafficDistribution: trafficDistribution.optional(),
    /** Clients reach the endpoints on their own node alone. Kubernetes: Service.internalTrafficPolicy Local. Absent = all endpoints. */
    isNodeLocal: z.literal(true).optional(),
    labels: stringMap,
    /** SANs that a ServiceEntry demands of its servers, beside those of its endpoints' service accounts. */
    subjectAltNames: z.array(z.string()).readonly(),
  })
  .readonly()
export type Service = z.infer<typeof service>

/** Whether it matters on which nodes clients and endpoints of a service are. */
export const tellsNodes = (told: Pick<Service, 'isNodeLocal' | 'trafficDistribution'>): boolean =>
  told.isNodeLocal === true || told.trafficDistribution === 'PreferSameNode'

export const endpointHealth = z.enum(['healthy', 'unhealthy', 'draining'])

/** What says that there is an endpoint, where it is not a WorkloadEntry. */
export const endpointOrigin = z.enum(['pod', 'service-entry'])

export const endpoint = z
  .object({
    /**
     * Unique in its service and cluster, stable over changes of the other fields: the workload's name or, for an endpoint
     * that is written into a ServiceEntry, "<entry>/<address>", without one "<entry>/<network>".
     */
    id: z.string(),
    cluster: clusterName,
    network: networkName,
    /** "region/zone/subzone", trailing parts may be missing; "" when unknown. */
    locality: z.string(),
    /** Where it runs in its cluster: absent where that does not matter (`tellsNodes`), or is not known. */
    node: z.string().optional(),
    /** An IP, a host name (resolution dns) or "unix:///path"; "" = what is behind the gateways of its network. */
    address: z.string(),
    /** Service port name → port number at this endpoint. A port that is missing here is not served by it. */
    ports: z.record(z.string(), z.int().min(1).max(65535)).readonly(),
    labels: stringMap,
    weight: z.int().min(1),
    health: endpointHealth,
    serviceAccount: z.string().optional(),
    /** Whether a proxy in front of it speaks mesh mTLS. */
    tls: z.enum(['mutual', 'none']),
    /** Numbers of those of its ports on which that proxy takes plaintext alone: its cluster's PeerAuthentications say so. Absent = none. */
    plaintextPorts: z.array(z.int().min(1).max(65535)).readonly().optional(),
    /** Its proxy's certificate is of an external issuer (docs/decisions/0013): a sidecar of Istio's. Known in its own cluster alone. */
    issuer: z.literal('external').optional(),
    /** Absent = a WorkloadEntry, or an address that a Service has without a pod. Of use in its own cluster alone. */
    origin: endpointOrigin.optional(),
  })
  .readonly()
export type Endpoint = z.infer<typeof endpoint> & OfMesh

/** Of what an object of the mesh says. Not in the schemas: nobody else's word makes something the mesh's. */
export interface OfMesh {
  /**
   * It is a machine of whichever cluster on its network; `override`: this cluster has an object for it too, before which the mesh's goes.
   * Absent = a cluster says it, of itself.
   */
  readonly ofMesh?: 'only' | 'override'
}

/** One service as one cluster offers it: the unit that is reported, fanned out and merged. */
export const catalogEntry = z.object({ service, endpoints: z.array(endpoint).readonly() }).readonly()
export type CatalogEntry = z.infer<typeof catalogEntry>

/** The endpoints of one service in one cluster that are alike to a client on another network (DESIGN §3 fan-out). */
export const endpointGroup = z
  .object({
    locality: z.string(),
    /** Names of the service ports that these endpoints serve, sorted. */
    ports: z.array(z.string()).readonly(),
    /** Only the labels that some subset or failover priority looks at. */
    labels: stringMap,
    /** Sum of the healthy mutual-TLS endpoints' weights. */
    weight: z.int().min(1),
    /** Sorted. */
    serviceAccounts: z.array(z.string()).readonly(),
  })
  .readonly()
export type EndpointGroup = z.infer<typeof endpointGroup>

/** One service of one cluster as clusters on other networks see it: reached only through that cluster's gateways. */
export const catalogSummary = z.object({ service, groups: z.array(endpointGroup).readonly() }).readonly()
export type CatalogSummary = z.infer<typeof catalogSummary>

/** Where a network is entered from outside: an east-west gateway's address, reachable from the other networks. */
export const gatewayAddress = z
  .object({ address: z.string().min(1).max(253), port: z.int().min(1).max(65535) })
  .readonly()
export type GatewayAddress = z.infer<typeof gatewayAddress>
