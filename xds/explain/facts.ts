import type { ClusterName } from '#mesh/names.ts'
import type { MeshView } from '#mesh/view.ts'

/** What is known of the mesh beside what proxies are served. */
export type Facts = Pick<
  MeshView,
  | 'localCluster'
  | 'settings'
  | 'serviceKeys'
  | 'service'
  | 'servicesByHostname'
  | 'servicesAt'
  | 'endpoints'
  | 'remoteGroups'
  | 'gateways'
>

/** Who calls. */
export interface Client {
  readonly namespace: string
  /** Absent = not known. */
  readonly serviceAccount?: string
  /** Absent = not known. */
  readonly cluster?: ClusterName
  /** For people: "sidecar/shop/web". */
  readonly name: string
  /** How its connections come to a proxy: all are captured, by the proxy's own ports, as a gateway's clients' do, or not at all. */
  readonly entry: 'captured' | 'explicit' | 'gateway' | 'none'
}
