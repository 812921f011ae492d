/** The YAML that the demo writes and applies, as a person would have it in files. */

const host = 'reviews.default.svc.cluster.local'

export const reviewsService = `apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 9080, targetPort: 9080}]
`

export const workload = (entry: {
  readonly name: string
  readonly address: string
  readonly labels: Readonly<Record<string, string>>
  readonly serviceAccount: string
  readonly ports?: Readonly<Record<string, number>>
}): string => `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: ${entry.name}, namespace: default}
spec:
  address: ${entry.address}
  labels: ${JSON.stringify(entry.labels)}
  serviceAccount: ${entry.serviceAccount}
  ports: ${JSON.stringify(entry.ports ?? {})}
`

/** The mesh's port 9080 of a workload leads to the application's own port on loopback. */
export const inbound = (
  name: string,
  labels: Readonly<Record<string, string>>,
  applicationPort: number,
): string => `apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: ${name}, namespace: default}
spec:
  workloadSelector: {labels: ${JSON.stringify(labels)}}
  ingress:
  - port: {number: 9080, name: http, protocol: HTTP}
    defaultEndpoint: 127.0.0.1:${applicationPort}
  egress:
  - hosts: ["*/*"]
`

export const split = (v1: number, v2: number): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http:
  - name: split
    route:
    - destination: {host: reviews, subset: v1}
      weight: ${v1}
    - destination: {host: reviews, subset: v2}
      weight: ${v2}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: ${host}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
`
