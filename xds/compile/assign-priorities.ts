/**
 * Envoy's priorities for endpoints of these localities, seen from a client's: what is nearest gets 0. Near means the same subzone,
 * then zone, then region (Istio: locality failover, which outlier detection switches on). There are no gaps.
 */
export const assignPriorities = (localities: readonly string[], clientLocality: string): readonly number[] => {
  const client = clientLocality.split('/')
  const distances = localities.map((locality) => toDistance(locality.split('/'), client))
  const ranks = [...new Set(distances)].sort((left, right) => left - right)
  return distances.map((distance) => ranks.indexOf(distance))
}

const depth = 3

const toDistance = (parts: readonly string[], client: readonly string[]): number => {
  const firstDifferent = client.findIndex((part, index) => part !== (parts[index] ?? ''))
  return firstDifferent === -1 ? 0 : depth - firstDifferent
}
