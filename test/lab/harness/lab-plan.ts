/** Clusters of one flat network reach each other's pods; on split networks they reach only each other's LoadBalancer addresses. */
export type LabNetwork = 'flat' | 'split'

export interface LabShape {
  readonly name: string
  /** 1 to 4; 2 unless said. */
  readonly clusters?: number
  /** `split` unless said. */
  readonly network?: LabNetwork
  /** How many nodes each cluster has: 1, unless said, or 2. */
  readonly nodes?: number
}

/** A machine of a cluster. */
export interface NodePlan {
  readonly name: string
  /** Tells its files from those of the cluster's other nodes; the first one's is empty. */
  readonly suffix: string
  /** Its network namespace; its pods' names begin with it. */
  readonly namespace: string
  /** The machine's end of the cable to the node. */
  readonly link: string
  readonly address: string
  readonly podCidr: string
  readonly podGateway: string
  readonly zone: string
}

export interface ClusterPlan {
  readonly name: string
  readonly network: string
  /** The first one takes what no pod says of nodes, and has the name server and the LoadBalancer addresses. */
  readonly nodes: readonly [NodePlan, ...NodePlan[]]
  /** Of all its nodes. */
  readonly podCidr: string
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
const clusterNames = ['east', 'west', 'north', 'south'] as const
const clustersPerSlot = 4
const maxNodes = 2

/** Two labs of different slots have no address, name or port in common. */
export const planLab = ({ name, clusters = 2, network = 'split', nodes = 1 }: LabShape, slot: number): LabPlan => {
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(name)) throw new Error(`not a name for a lab: ${name}`)
  if (!(clusters >= 1 && clusters <= clusterNames.length))
    throw new Error(`a lab has 1 to ${clusterNames.length} clusters, not ${clusters}`)
  if (!(nodes >= 1 && nodes <= maxNodes)) throw new Error(`a cluster of a lab has 1 to ${maxNodes} nodes, not ${nodes}`)
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
        nodes: [
          planNode(slot, cluster, index, 0),
          ...range(1, nodes).map((node) => planNode(slot, cluster, index, node)),
        ],
        podCidr: `10.${64 + block}.0.0/16`,
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

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index)

/** The nodes of a cluster share its pods' addresses evenly. */
const planNode = (slot: number, cluster: string, index: number, node: number): NodePlan => {
  const suffix = node === 0 ? '' : `${node + 1}`
  const pods = `10.${64 + slot * clustersPerSlot + index}.${node * 128}`
  return {
    name: `node-${cluster}${suffix && `-${suffix}`}`,
    suffix,
    // Not `${cluster}-…`: so the names of the first node's pods begin.
    namespace: `atoll-lab${slot}-${cluster}${suffix}`,
    link: `${linkPrefixOfSlot(slot)}${cluster}${suffix}`,
    address: `172.28.${slot}.${10 + node * 10 + index}`,
    podCidr: `${pods}.0/17`,
    podGateway: `${pods}.1`,
    zone: `${cluster}-${'abc'[node]}`,
  }
}

/** Whoever makes the bridge has the slot: the kernel makes each name only once. */
export const bridgeOfSlot = (slot: number): string => `atoll-lab${slot}`

/** What the names of its nodes' links begin with. */
export const linkPrefixOfSlot = (slot: number): string => `atoll${slot}-`
