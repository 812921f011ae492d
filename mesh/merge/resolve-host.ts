/**
 * The full host name that a host in a VirtualService or DestinationRule means: a name without dots is short for
 * "<name>.<namespace of the object>.svc.<domain suffix>". "*", wildcards, full names and IP addresses stand for themselves.
 * Lower case, as Envoy compares them. Istio: VirtualService.hosts, Destination.host, "short names".
 */
export const resolveHost = (host: string, namespace: string, domainSuffix: string): string => {
  const isFull = host === '*' || host.includes('.') || host.includes(':')
  return (isFull ? host : `${host}.${namespace}.svc.${domainSuffix}`).toLowerCase()
}
