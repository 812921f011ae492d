import { callerPort } from './load-report.ts'

/** YAML of the applications: `orderly` and `abrupt` work, and `caller` calls them. */

export const namespace = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
`

export const serviceOf = (app: string): string => `
apiVersion: v1
kind: Service
metadata: {name: ${app}, namespace: shop}
spec:
  selector: {app: ${app}, serves: "yes"}
  ports: [{name: http, port: 9080, targetPort: 8080}]
`

interface Workers {
  readonly cluster: string
  readonly app: string
  readonly ends: 'in-order' | 'at-once'
  readonly replicas: number
  /** Tells apart what of one application runs on different nodes; default: on the first one. */
  readonly node?: string
}

/** A label that is no part of the Deployment's selector says whether a pod is an endpoint, so that one comes and goes without a new pod. */
export const workers = ({ cluster, app, ends, replicas, node }: Workers): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${app}${node === undefined ? '' : '-far'}, namespace: shop}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${app}, place: ${node ?? 'near'}}}
  template:
    metadata: {labels: {app: ${app}, place: ${node ?? 'near'}, serves: "yes"}}
    spec:
      ${node === undefined ? '' : `nodeSelector: {kubernetes.io/hostname: ${node}}`}
      terminationGracePeriodSeconds: 10
      containers:
      - name: app
        image: lab/worker
        env: [{name: CLUSTER, value: ${cluster}}, {name: ENDS, value: ${ends}}]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: http}}
`

export const caller = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: caller, namespace: shop}
spec:
  selector: {matchLabels: {app: caller}}
  template:
    metadata:
      labels: {app: caller}
      annotations: {traffic.sidecar.istio.io/excludeInboundPorts: "${callerPort}"}
    spec:
      containers: [{name: app, image: lab/caller}]
`

/** A Service whose endpoints are written by hand: a thousand, in ten slices as Kubernetes makes them; `generation` changes every address. */
export const thousandEndpoints = (generation: number): string =>
  [
    `{apiVersion: v1, kind: Service, metadata: {name: wide, namespace: shop}, spec: {ports: [{name: http, port: 80}]}}`,
    ...Array.from({ length: 10 }, (_, slice) => {
      const endpoints = Array.from(
        { length: 100 },
        (_each, index) => `{addresses: [${wideAddress(generation, slice, index)}]}`,
      )
      return `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: wide-${slice}, namespace: shop, labels: {kubernetes.io/service-name: wide}}, ports: [{name: http, port: 80}], endpoints: [${endpoints.join(', ')}]}`
    }),
  ].join('\n---\n')

const wideAddress = (generation: number, slice: number, index: number): string =>
  `10.250.${generation * 10 + slice}.${index + 1}`
