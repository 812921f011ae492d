import {
  proxyAdminPort,
  proxyConfigDirectory,
  proxyConfigMap,
  proxyContainer,
  proxyHealthPort,
  proxyUser,
  tokenAudience,
  tokenFile,
} from '../kubernetes/conventions.ts'
import type { Container } from './pod.ts'
import type { ProxyOptions } from './proxy-options.ts'

/** How long Envoy takes to let go of connections; the agent keeps what they need a little longer. */
const envoyDrainSeconds = 10
const tokenLifetimeSeconds = 3600
/** Ten minutes, as Istio: then the kubelet starts it anew. */
const startupFailures = 600

const tokenVolume = 'atoll-token'
const sharedMemoryVolume = 'atoll-shm'
export const temporaryVolume = 'atoll-tmp'

/** The volumes that an injected pod gets. */
export const proxyVolumes = [
  { name: proxyConfigMap, configMap: { name: proxyConfigMap } },
  {
    name: tokenVolume,
    projected: {
      sources: [
        {
          serviceAccountToken: {
            path: tokenFile.slice(tokenFile.lastIndexOf('/') + 1),
            audience: tokenAudience,
            expirationSeconds: tokenLifetimeSeconds,
          },
        },
      ],
    },
  },
  { name: sharedMemoryVolume, emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
  { name: temporaryVolume, emptyDir: { sizeLimit: '64Mi' } },
]

/** Envoy, as the "restricted" pod security standard wants a container. */
export const buildProxyContainer = (options: ProxyOptions): Container => {
  const { image, isNative, holdsApplication, resources, readiness } = options
  const ready = { httpGet: { path: '/healthz/ready', port: proxyHealthPort }, timeoutSeconds: 3 }
  return {
    name: proxyContainer,
    image,
    ...(isNative && { restartPolicy: 'Always' }),
    args: toArguments(options),
    env: [
      ...Object.entries(options.environment).map(([name, value]) => ({ name, value })),
      { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
    ],
    resources,
    startupProbe: { ...ready, periodSeconds: 1, failureThreshold: startupFailures },
    readinessProbe: { ...ready, ...readiness },
    lifecycle: {
      ...(holdsApplication && !isNative && { postStart: toHook(waitUntilReady) }),
      preStop: toHook(isNative ? toDrain(options) : `${toDrain(options)}; ${toWait(options)}`),
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsGroup: proxyUser,
      runAsNonRoot: true,
      runAsUser: proxyUser,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumeMounts: [
      { name: proxyConfigMap, mountPath: proxyConfigDirectory, readOnly: true },
      { name: tokenVolume, mountPath: tokenFile.slice(0, tokenFile.lastIndexOf('/')), readOnly: true },
      { name: sharedMemoryVolume, mountPath: '/dev/shm' },
      { name: temporaryVolume, mountPath: '/tmp' },
    ],
  }
}

const toArguments = ({ tracedAs, concurrency, logLevel, componentLogLevel, fileFlush }: ProxyOptions): string[] => [
  '-c',
  `${proxyConfigDirectory}/envoy.yaml`,
  '--service-node',
  '$(POD_NAME).$(POD_NAMESPACE)',
  '--service-cluster',
  tracedAs,
  '--drain-time-s',
  String(envoyDrainSeconds),
  // Each answer says that the connection ends, as in Istio. Else that is left to chance, which grows with the time: who calls through an
  // east-west gateway hears of a pod's end in no other way.
  '--drain-strategy',
  'immediate',
  '--disable-hot-restart',
  '--log-level',
  logLevel,
  ...(componentLogLevel === undefined ? [] : ['--component-log-level', componentLogLevel]),
  ...(concurrency === undefined ? [] : ['--concurrency', String(concurrency)]),
  ...(fileFlush.milliseconds === undefined ? [] : ['--file-flush-interval-msec', String(fileFlush.milliseconds)]),
  ...(fileFlush.kilobytes === undefined ? [] : ['--file-flush-min-size-kb', String(fileFlush.kilobytes)]),
]

const toHook = (script: string): { readonly exec: { readonly command: string[] } } => ({
  exec: { command: ['bash', '-c', script] },
})

/** An HTTP request by bash alone: Envoy's images have no curl. What it answers goes to the standard output. */
const request = (method: string, port: number, path: string): string =>
  [
    `exec 3<>/dev/tcp/127.0.0.1/${port}`,
    `printf '${method} ${path} HTTP/1.1\\r\\nhost: localhost\\r\\ncontent-length: 0\\r\\nconnection: close\\r\\n\\r\\n' >&3`,
    'cat <&3',
  ].join(' && ')

/**
 * Peers are told to go, and may still come until they know: the pod stays in other clusters' endpoints for a moment. A native sidecar
 * gets its SIGTERM when the application has ended; an ordinary container waits by itself.
 */
const toDrain = ({ isGateway }: ProxyOptions): string =>
  request('POST', proxyAdminPort, `/drain_listeners?graceful&${isGateway ? '' : 'inboundonly&'}skip_exit`)

/** The kubelet starts the next container when this has ended. */
const waitUntilReady = `until (${request('GET', proxyHealthPort, '/healthz/ready')}) 2>/dev/null | head -n 1 | grep -q ' 200 '; do sleep 0.2; done`

/** The way to a gateway leads over load balancers that have to hear first that it is to be spared. */
const farewellSeconds = 5

const toWait = ({ drainSeconds, isGateway }: ProxyOptions): string => {
  if (!isGateway) return `sleep ${drainSeconds}`
  const count = request('GET', proxyAdminPort, '/stats?filter=listener.*downstream_cx_active')
  const connected = `(${count}) 2>/dev/null | grep -v -e admin -e _${proxyHealthPort} | grep -q 'active: [1-9]'`
  const farewell = Math.min(farewellSeconds, drainSeconds)
  return `sleep ${farewell}; while [ $SECONDS -lt ${drainSeconds} ] && ${connected}; do sleep 1; done`
}
