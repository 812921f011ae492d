import { toYaml } from '../to-yaml.ts'

/** Bookinfo as Istio installs it: the same objects with the same names, labels, ports and volumes. Nothing in it knows of a mesh. */

type App = 'details' | 'productpage' | 'ratings' | 'reviews'
export type Workload = `${App}-v${1 | 2 | 3}`

const apps: readonly App[] = ['details', 'productpage', 'ratings', 'reviews']

const toService = (app: App) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: app, labels: { app, service: app } },
  spec: { ports: [{ port: 9080, name: 'http' }], selector: { app } },
})

const toServiceAccount = (app: App) => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name: `bookinfo-${app}`, labels: { account: app } },
})

const toVolumes = (app: App): Readonly<Record<string, string>> => {
  if (app === 'reviews') return { tmp: '/tmp', 'wlp-output': '/opt/ibm/wlp/output' }
  return app === 'productpage' ? { tmp: '/tmp' } : {}
}

const toDeployment = (workload: Workload) => {
  const [app, version] = workload.split('-') as [App, string]
  const labels = { app, version }
  const volumes = Object.entries(toVolumes(app))
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: workload, labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: `bookinfo-${app}`,
          containers: [
            {
              name: app,
              image: `docker.io/istio/examples-bookinfo-${workload}:1.20.3`,
              imagePullPolicy: 'IfNotPresent',
              ports: [{ containerPort: 9080 }],
              ...(volumes.length > 0 && { volumeMounts: volumes.map(([name, mountPath]) => ({ name, mountPath })) }),
              securityContext: { runAsUser: 1000 },
            },
          ],
          ...(volumes.length > 0 && { volumes: volumes.map(([name]) => ({ name, emptyDir: {} })) }),
        },
      },
    },
  }
}

/** All Services and accounts, and these of the Deployments: what runs elsewhere is called by the same names. */
export const bookinfo = (workloads: readonly Workload[]): string =>
  toYaml([...apps.flatMap((app) => [toService(app), toServiceAccount(app)]), ...workloads.map(toDeployment)])

/** Somebody to ask for the product page from. */
export const client = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: curl}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: curl}
spec:
  selector: {matchLabels: {app: curl}}
  template:
    metadata: {labels: {app: curl}}
    spec:
      terminationGracePeriodSeconds: 0
      serviceAccountName: curl
      containers: [{name: curl, image: curlimages/curl, command: [/bin/sleep, infinity]}]
`

/** Istio's "request routing" begins with these. */
export const subsets = toYaml(
  apps.map((app) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'DestinationRule',
    metadata: { name: app, namespace: 'bookinfo' },
    spec: {
      host: app,
      subsets: (app === 'reviews' ? ['v1', 'v2', 'v3'] : ['v1']).map((name) => ({ name, labels: { version: name } })),
    },
  })),
)

const toReviewsRoutes = (http: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: bookinfo}
spec:
  hosts: [reviews]
  http:${http}
`

export const reviewsByWeight = (v1: number, v2: number): string =>
  toReviewsRoutes(`
  - route:
    - {destination: {host: reviews, subset: v1}, weight: ${v1}}
    - {destination: {host: reviews, subset: v2}, weight: ${v2}}`)

export const reviewsByUser = toReviewsRoutes(`
  - match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - route: [{destination: {host: reviews, subset: v3}}]`)
