/** Clusters of one flat network reach each other's pods; on split networks they reach only each other's LoadBalancer addresses. */
export type LabNetwork = 'flat' | 'split'

export interface LabShape {
  readonly name: string
  /** 1 to 3; 2 unless said. */
  readonly clusters?: number
  /** `split` unless said. */
  readonly network?: LabNetwork
}

export interface ClusterPlan {
  readonly name: string
  readonly network: string
  /** The node's network namespace; its pods' names begin with it. */
  readonly namespace: string
  /** The machine's end of the cable to the node. */
  readonly link: string
  readonly node: string
  readonly nodeAddress: string
  readonly podCidr: string
  readonly podGateway: string
  readonly serviceCidr: string
  /** ClusterIP of the API server. */
  readonly apiServiceAddress: string
  readonly loadBalancerCidr: string
  readonly apiServer: { readonly address: string; readonly port: number }
  readonly controllerManagerPort: number
  readonly etcdPrefix: string
}

export interface LabPlan {
  readonly name: string
  readonly slot: number
  readonly network: LabNetwork
  readonly bridge: string
  /** What names of this lab's network namespaces begin with. */
  readonly namespacePrefix: string
  /** This machine, as nodes and pods see it. */
  readonly hostAddress: string
  readonly etcdAddress: string
  readonly clusters: readonly ClusterPlan[]
}

/** How many labs one machine holds side by side. */
export const labSlots = 16
const clusterNames = ['east', 'west', 'north'] as const
const clustersPerSlot = 4

/** Two labs of different slots have no address, name or port in common. */
export const planLab = ({ name, clusters = 2, network = 'split' }: LabShape, slot: number): LabPlan => {
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(name)) throw new Error(`not a name for a lab: ${name}`)
  if (!(clusters >= 1 && clusters <= clusterNames.length))
    throw new Error(`a lab has 1 to ${clusterNames.length} clusters, not ${clusters}`)
  const hostAddress = `172.28.${slot}.1`
  const namespacePrefix = `atoll-lab${slot}-`
  return {
    name,
    slot,
    network,
    bridge: bridgeOfSlot(slot),
    namespacePrefix,
    hostAddress,
    etcdAddress: `127.28.${slot}.1`,
    clusters: clusterNames.slice(0, clusters).map((cluster, index) => {
      const block = slot * clustersPerSlot + index
      return {
        name: cluster,
        network: network === 'flat' ? 'flat' : `network-${cluster}`,
        namespace: namespacePrefix + cluster,
        link: `${linkPrefixOfSlot(slot)}${cluster}`,
        node: `node-${cluster}`,
        nodeAddress: `172.28.${slot}.${10 + index}`,
        podCidr: `10.${64 + block}.0.0/16`,
        podGateway: `10.${64 + block}.0.1`,
        serviceCidr: `10.${128 + block}.0.0/16`,
        apiServiceAddress: `10.${128 + block}.0.1`,
        loadBalancerCidr: `10.${192 + block}.0.0/24`,
        apiServer: { address: hostAddress, port: 6443 + index },
        controllerManagerPort: 10_257 + index,
        etcdPrefix: `/${cluster}`,
      }
    }),
  }
}

/** Whoever makes the bridge has the slot: the kernel makes each name only once. */
export const bridgeOfSlot = (slot: number): string => `atoll-lab${slot}`

/** What the names of its nodes' links begin with. */
export const linkPrefixOfSlot = (slot: number): string => `atoll${slot}-`
