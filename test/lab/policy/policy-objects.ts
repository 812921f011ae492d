import { puppetPorts } from '../capture/errand.ts'

/** The pods that policies are tried with. None of their applications knows of a mesh. */

/** Where a pod's program is told what to do. It is not captured. */
export const errandPort = 7999

const service = (name: string, selector: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec: {
    selector,
    ports: [
      { name: 'http', port: 80, targetPort: puppetPorts.http },
      { name: 'tcp', port: puppetPorts.echo },
    ],
  },
})

const account = (namespace: string, name: string) => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name, namespace },
})

/** Of every cluster. `in-east` and `in-west` are served in one, and called from both. */
export const common: readonly object[] = [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop', labels: { 'istio-injection': 'enabled' } } },
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'plain' } },
  ...['guarded', 'frontend', 'probed'].map((name) => account('shop', name)),
  account('plain', 'visitor'),
  ...['east', 'west'].map((cluster) => service(`in-${cluster}`, { app: 'guarded', cluster })),
]

interface Workload {
  readonly namespace: string
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly serviceAccountName?: string
  readonly containers: readonly object[]
}

const deployment = ({ namespace, name, labels, annotations, serviceAccountName, containers }: Workload) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace },
  spec: {
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name, ...labels }, annotations },
      spec: { serviceAccountName, terminationGracePeriodSeconds: 1, containers },
    },
  },
})

const puppetContainer = { name: 'app', image: 'lab/puppet', args: [String(errandPort), '$(HOSTNAME)', '/tmp'] }
const puppetAnnotations = { 'traffic.sidecar.istio.io/excludeInboundPorts': String(errandPort) }

/** Serves, and calls whom it is told to. */
export const puppet = (name: string, cluster: string): object =>
  deployment({
    namespace: 'shop',
    name,
    labels: { cluster },
    annotations: puppetAnnotations,
    serviceAccountName: name,
    containers: [puppetContainer],
  })

/** The same in a namespace that asks for no proxies: with one that it asks for itself, or without. */
export const plainPuppet = (name: string, isInjected: boolean): object =>
  deployment({
    namespace: 'plain',
    name,
    ...(isInjected && {
      labels: { 'sidecar.istio.io/inject': 'true' },
      annotations: puppetAnnotations,
      serviceAccountName: name,
    }),
    containers: [puppetContainer],
  })

const asker = (name: string, readinessProbe: object) => ({
  name,
  image: 'lab/host',
  command: ['sleep', 'infinity'],
  readinessProbe: { ...readinessProbe, periodSeconds: 1 },
})

/** A container for each kind of probe; what they ask listens when the pod is told so. */
export const probed = (ports: Readonly<Record<'http' | 'tcp' | 'grpc', number>>): object =>
  deployment({
    namespace: 'shop',
    name: 'probed',
    annotations: puppetAnnotations,
    serviceAccountName: 'probed',
    containers: [
      {
        ...puppetContainer,
        readinessProbe: { httpGet: { port: ports.http, path: '/ready' }, periodSeconds: 1 },
      },
      asker('tcp', { tcpSocket: { port: ports.tcp } }),
      asker('grpc', { grpc: { port: ports.grpc } }),
      asker('exec', { exec: { command: ['test', '-e', '/tmp'] } }),
    ],
  })

/** Somebody who is asked about tokens (`/keys`) or calls, behind a Service of its own. */
export const decider = (namespace: string, name: string, keys: string): readonly object[] => [
  deployment({
    namespace,
    name,
    containers: [
      {
        name: 'app',
        image: 'lab/decider',
        env: [{ name: 'KEYS', value: keys }],
        readinessProbe: { tcpSocket: { port: 8080 } },
      },
    ],
  }),
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  },
]
