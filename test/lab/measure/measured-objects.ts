/** What the measurements put into a cluster. */

const namespace = 'measured'

export const measuredNamespace = `
apiVersion: v1
kind: Namespace
metadata: {name: ${namespace}, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: echo, namespace: ${namespace}}
spec:
  selector: {app: echo}
  ports: [{name: http, port: 80, targetPort: 8080}]
`

interface Pods {
  readonly app: string
  readonly replicas: number
  readonly image?: 'lab/app' | 'lab/host'
  readonly isInjected?: boolean
}

/** Pods that answer (lab/app) or do nothing (lab/host). */
export const toDeployment = ({ app, replicas, image = 'lab/host', isInjected = true }: Pods): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${app}, namespace: ${namespace}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${app}}}
  template:
    metadata: {labels: {app: ${app}, sidecar.istio.io/inject: "${isInjected}"}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: app
        image: ${image}
        ${image === 'lab/host' ? 'command: [sleep, infinity]' : 'readinessProbe: {httpGet: {path: /, port: 8080}}'}
`

const endpointsEach = 5

/** A Service with endpoints that nobody runs, to be created once. */
export const toSyntheticService = (index: number, change = 0): string => `
apiVersion: v1
kind: Service
metadata: {name: synthetic-${index}, namespace: ${namespace}}
spec:
  ports: [{name: http, port: 80, targetPort: 8080}]
---
${toSyntheticEndpoints(index, change)}`

/** Its endpoints; another number makes one of them another. */
export const toSyntheticEndpoints = (index: number, change: number): string => {
  const toAddress = (endpoint: number): string => {
    const number = index * endpointsEach + endpoint
    return `10.250.${Math.trunc(number / 250)}.${(number % 250) + 1}`
  }
  const addresses = [`10.251.${change % 250}.${(index % 250) + 1}`, ...[1, 2, 3, 4].map(toAddress)]
  return `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: synthetic-${index}, namespace: ${namespace}, labels: {kubernetes.io/service-name: synthetic-${index}}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [${addresses.map((address) => `{addresses: [${address}], conditions: {ready: true}}`).join(', ')}]
`
}
