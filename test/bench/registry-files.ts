/** The registry of a benchmark cluster, as files: one per service, holding the Service and its endpoints. */

export const serviceFile = (index: number): string => `svc-${index}.yaml`

/** An address of 10.0.0.0/8 that no other (service, endpoint, version) of a run has. */
export const endpointAddress = (serial: number): string =>
  `10.${(serial >> 16) & 255}.${(serial >> 8) & 255}.${serial & 255}`

export const serviceDocuments = (index: number, addresses: readonly string[]): string =>
  [
    `apiVersion: v1
kind: Service
metadata: {name: svc-${index}, namespace: bench}
spec: {selector: {app: svc-${index}}, ports: [{name: http, port: 80, targetPort: 8080}]}
`,
    ...addresses.map(
      (address, endpoint) => `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: svc-${index}-${endpoint}, namespace: bench}
spec: {address: ${address}, labels: {app: svc-${index}}, serviceAccount: svc-${index}}
`,
    ),
  ].join('---\n')

export const clientDocuments = (count: number): string =>
  Array.from(
    { length: count },
    (_, index) => `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: client-${index}, namespace: bench}
spec: {address: 127.0.0.1, labels: {app: client}, serviceAccount: client}
`,
  ).join('---\n')

export const routeDocument = (index: number, marker: string): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: svc-${index}, namespace: bench}
spec:
  hosts: [svc-${index}]
  http:
  - route: [{destination: {host: svc-${index}}}]
    headers: {request: {set: {x-bench: ${marker}}}}
`

/** A policy for all of the clients, with a marker in it. */
export const policyDocument = (marker: string): string => `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: clients, namespace: bench}
spec: {action: DENY, rules: [{to: [{operation: {paths: [/${marker}]}}]}]}
`

/** What the resources of a service are called in xDS. */
export const toEndpointsName = (index: number): string => `outbound|80||svc-${index}.bench.svc.cluster.local`
export const toVirtualHostName = (index: number): string => `http-proxy/svc-${index}.bench.svc.cluster.local:80`
