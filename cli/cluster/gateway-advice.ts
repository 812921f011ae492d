interface PlacedCluster {
  readonly name: string
  readonly network: string
}

/** What a person has to know of gateways when a cluster joins and there are other networks; nothing on one network. */
export const toGatewayAdvice = (
  { name, network, hasGateway }: PlacedCluster & { readonly hasGateway: boolean },
  clusters: readonly (PlacedCluster & { readonly gateways: readonly unknown[] })[],
): string[] => {
  const elsewhere = clusters.filter((cluster) => cluster.name !== name && cluster.network !== network)
  if (elsewhere.length === 0) return []
  const closed = elsewhere.filter(({ gateways }) => gateways.length === 0).map((cluster) => cluster.name)
  const without = hasGateway ? closed : [name, ...closed]
  if (without.length === 0) return []
  const [first = ''] = without
  return [
    `The mesh has several networks: what runs in ${without.join(', ')} is reached from other networks only through an east-west gateway there.`,
    `  Name the gateway in the cluster's files (a WorkloadEntry with the label atoll.dev/role: east-west-gateway), and make its token with`,
    `  atoll machine token create --cluster ${first} --role east-west-gateway --service-account gateway --workload gateway`,
  ]
}
