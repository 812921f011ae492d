import { bookinfo } from '../mesh/bookinfo.ts'
import { toYaml } from '../to-yaml.ts'

/** Objects that do what those of Istio's samples do, with its names, labels, ports, arguments and images; without a namespace, as there. */

const registry = 'docker.io/istio/examples'

interface Application {
  readonly name: string
  readonly app: string
  readonly version?: string
  readonly image: string
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
  readonly command?: readonly string[]
  readonly serviceAccountName?: string
}

const toDeployment = ({ name, app, version, image, port, env = {}, command, serviceAccountName }: Application) => {
  const labels = { app, ...(version !== undefined && { version }) }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          ...(serviceAccountName !== undefined && { serviceAccountName, terminationGracePeriodSeconds: 0 }),
          containers: [
            {
              name: app,
              image,
              imagePullPolicy: 'IfNotPresent',
              ...(command && { command }),
              env: Object.entries(env).map(([variable, value]) => ({ name: variable, value })),
              ...(port !== undefined && { ports: [{ containerPort: port }] }),
            },
          ],
        },
      },
    },
  }
}

const toService = (name: string, port: number, portName: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, labels: { app: name, service: name } },
  spec: { ports: [{ port, name: portName }], selector: { app: name } },
})

const toRatings = (version: string, env: Readonly<Record<string, string>>) =>
  toYaml([
    toDeployment({
      name: `ratings-${version}`,
      app: 'ratings',
      version,
      image: `${registry}-bookinfo-ratings-v2`,
      port: 9080,
      env,
    }),
  ])
const mysql = (host: string) => ({ DB_TYPE: 'mysql', MYSQL_DB_HOST: host, MYSQL_DB_PORT: '3306' })

const toDatabase = (name: string, port: number, portName: string) =>
  toYaml([
    toService(name, port, portName),
    toDeployment({ name: `${name}-v1`, app: name, version: 'v1', image: `${registry}-bookinfo-${name}`, port }),
  ])

const toClient = (name: string) =>
  toYaml([
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } },
    toService(name, 80, 'http'),
    toDeployment({
      name,
      app: name,
      image: 'docker.io/curlimages/curl',
      command: ['/bin/sleep', 'infinity'],
      serviceAccountName: name,
    }),
  ])

/** By the paths of Istio's files in its folder `samples`. */
export const ownPlatform = {
  'bookinfo/platform/kube/bookinfo': () =>
    bookinfo(['productpage-v1', 'details-v1', 'reviews-v1', 'reviews-v2', 'reviews-v3', 'ratings-v1']),
  'bookinfo/platform/kube/bookinfo-details-v2': () =>
    toYaml([
      toDeployment({
        name: 'details-v2',
        app: 'details',
        version: 'v2',
        image: `${registry}-bookinfo-details-v2`,
        port: 9080,
        env: { DO_NOT_ENCRYPT: 'true' },
      }),
    ]),
  'bookinfo/platform/kube/bookinfo-db': () => toDatabase('mongodb', 27_017, 'mongo'),
  'bookinfo/platform/kube/bookinfo-mysql': () => toDatabase('mysqldb', 3306, 'tcp'),
  'bookinfo/platform/kube/bookinfo-ratings-v2': () => toRatings('v2', { MONGO_DB_URL: 'mongodb://mongodb:27017/test' }),
  'bookinfo/platform/kube/bookinfo-ratings-v2-mysql': () => toRatings('v2-mysql', mysql('mysqldb')),
  'bookinfo/platform/kube/bookinfo-ratings-v2-mysql-vm': () =>
    toRatings('v2-mysql-vm', mysql('mysqldb.vm.svc.cluster.local')),
  'curl/curl': () => toClient('curl'),
  'sleep/sleep': () => toClient('sleep'),
} satisfies Readonly<Record<string, () => string>>
export type PlatformSample = keyof typeof ownPlatform

export const toHelloworldYaml = (version: string): string =>
  toYaml([
    toService('helloworld', 5000, 'http'),
    toDeployment({
      name: `helloworld-${version}`,
      app: 'helloworld',
      version,
      image: `${registry}-helloworld-v1`,
      port: 5000,
      env: { SERVICE_VERSION: version },
    }),
  ])
