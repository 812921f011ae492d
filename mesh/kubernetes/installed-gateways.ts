/** A gateway that an installation may have: names and labels are Istio's, because Gateway objects, scripts and routes say them. */
export interface InstalledGateway {
  readonly name: string
  readonly namespace: string
  /** Its label `istio`. */
  readonly istio: string
}

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
