/** YAML as an application team has it: nothing in it knows of a mesh but the label of the namespace. */

export const shopNamespace = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reviews, namespace: shop}
---
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 9080, targetPort: http}]
`

export const reviews = (version: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews-${version}, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: reviews, version: ${version}}}
  template:
    metadata:
      labels: {app: reviews, version: ${version}}
      annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8080"}
    spec:
      serviceAccountName: reviews
      containers:
      - name: app
        image: lab/app
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /, port: http}}
`

export const frontend = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: frontend, namespace: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: frontend, namespace: shop}
spec:
  selector: {matchLabels: {app: frontend}}
  template:
    metadata: {labels: {app: frontend}}
    spec:
      serviceAccountName: frontend
      terminationGracePeriodSeconds: 1
      containers:
      - {name: app, image: lab/host, command: [sleep, infinity]}
`

/** A pod with a proxy in a namespace that asks for none. */
export const loner = `
apiVersion: v1
kind: Namespace
metadata: {name: plain}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: loner, namespace: plain}
spec:
  selector: {matchLabels: {app: loner}}
  template:
    metadata: {labels: {app: loner, sidecar.istio.io/inject: "true"}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: app, image: lab/host, command: [sleep, infinity]}
`

export const split = (v1: number, v2: number): string => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop}
spec:
  hosts: [reviews]
  http:
  - route:
    - {destination: {host: reviews, subset: v1}, weight: ${v1}}
    - {destination: {host: reviews, subset: v2}, weight: ${v2}}
`

/** An object of one cluster that asks to be everywhere. */
export const published = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: shop, annotations: {atoll.dev/publish: mesh}}
spec:
  hosts: [reviews]
  http:
  - route: [{destination: {host: reviews}}]
    headers: {response: {set: {x-published: by-east}}}
`
