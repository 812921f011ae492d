import { inNamespace, ip, ipBatch } from './ip.ts'
import { bridgeOfSlot, labSlots, type ClusterPlan, type LabPlan, type NodePlan } from './lab-plan.ts'

/**
 * Of all bridges, which know nothing of each other. A bridge without an address of its own takes that of one of its ports: it changes when a pod comes or goes, and all
 * others reach nothing for seconds, until they ask for it again.
 */
const bridgeMac = '02:00:00:00:00:01'

/** Takes the first free slot of this machine by making its bridge. */
export const claimSlot = async (): Promise<number> => {
  for (let slot = 0; slot < labSlots; slot++) {
    try {
      await ip(['link', 'add', bridgeOfSlot(slot), 'address', bridgeMac, 'type', 'bridge'])
      return slot
    } catch (error) {
      if (!String(error).includes('File exists')) throw error
    }
  }
  throw new Error(`this machine has ${labSlots} labs already: ip link show type bridge`)
}

/** The bridge between this machine and the nodes. */
export const connectHost = (plan: LabPlan): Promise<void> =>
  ipBatch([`address add ${plan.hostAddress}/24 dev ${plan.bridge}`, `link set ${plan.bridge} up`])

/** The nodes of a cluster: each a network namespace on the lab's bridge, with a bridge of its own for its pods. */
export const connectNodes = async (plan: LabPlan, cluster: ClusterPlan): Promise<void> => {
  await Promise.all(cluster.nodes.map((node) => connectNode(plan, cluster, node)))
  // Tests on this machine reach pods and Services of every cluster.
  const routes = cluster.nodes.flatMap((node) => routesToPods(node))
  await ipBatch([...routes, ...routesToServices(cluster)])
}

const connectNode = async (plan: LabPlan, cluster: ClusterPlan, node: NodePlan): Promise<void> => {
  const { namespace, link, address, podGateway, podCidr } = node
  await ipBatch([
    `netns add ${namespace}`,
    `link add ${link} type veth peer name eth0 netns ${namespace}`,
    `link set ${link} master ${plan.bridge} up`,
  ])
  await ipBatch(
    [
      'link set lo up',
      `address add ${address}/24 dev eth0`,
      'link set eth0 up',
      `route add default via ${plan.hostAddress}`,
      `link add br0 address ${bridgeMac} type bridge`,
      `address add ${podGateway}/${podCidr.split('/')[1]} dev br0`,
      'link set br0 up',
      ...cluster.nodes.filter((other) => other !== node).flatMap(routesToPods),
      ...plan.clusters.filter((other) => other !== cluster).flatMap((other) => routesTo(plan, other)),
    ],
    namespace,
  )
  await Promise.all([
    inNamespace(namespace, ['sysctl', '-qew', ...kernelSettings]),
    inNamespace(namespace, ['nft', '-f', '-'], masquerade(plan, cluster)),
  ])
}

const routesToPods = ({ podCidr, address }: NodePlan): string[] => [`route add ${podCidr} via ${address}`]

const routesToServices = ({ serviceCidr, loadBalancerCidr, nodes: [{ address }] }: ClusterPlan): string[] =>
  [serviceCidr, loadBalancerCidr].map((cidr) => `route add ${cidr} via ${address}`)

const routesTo = (plan: LabPlan, other: ClusterPlan): string[] => [
  `route add ${other.loadBalancerCidr} via ${other.nodes[0].address}`,
  `route add prohibit ${other.serviceCidr}`,
  ...(plan.network === 'flat' ? other.nodes.flatMap(routesToPods) : [`route add prohibit ${other.podCidr}`]),
]

const kernelSettings = [
  'net.ipv4.ip_forward=1',
  'net.ipv4.conf.all.send_redirects=0',
  'net.ipv4.conf.br0.send_redirects=0',
  'net.ipv4.conf.all.rp_filter=0',
  // Where br_netfilter is on, the bridge drops what a pod sends to itself through its ClusterIP.
  'net.bridge.bridge-nf-call-iptables=0',
  'net.bridge.bridge-nf-call-ip6tables=0',
]

/** Pods leave their network with the node's address; inside a flat network they keep their own. */
const masquerade = (plan: LabPlan, cluster: ClusterPlan): string => {
  const network = plan.network === 'flat' ? plan.clusters : [cluster]
  return `table ip atoll-lab {
  chain postrouting {
    type nat hook postrouting priority srcnat
    oifname eth0 ip saddr ${cluster.podCidr} ip daddr != { ${network.map(({ podCidr }) => podCidr).join(', ')} } masquerade
  }
}
`
}
