/** A gateway that an installation may have: names and labels are Istio's, because Gateway objects, scripts and routes say them. */
export interface InstalledGateway {
  readonly name: string
  readonly namespace: string
  /** Its label `istio`. */
  readonly istio: string
}

/**
 * Where Istio has its own, and where people's YAML calls them by name. Keys of an istiod may be in its Secrets: the agent is let into
 * none of them.
 */
export const istioNamespace = 'istio-system'

export const ingressGateway: InstalledGateway = {
  name: 'istio-ingressgateway',
  namespace: 'atoll-ingress',
  istio: 'ingressgateway',
}
export const egressGateway: InstalledGateway = {
  name: 'istio-egressgateway',
  namespace: 'atoll-egress',
  istio: 'egressgateway',
}
