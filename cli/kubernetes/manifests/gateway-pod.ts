import { buildProxyContainer, proxyVolumes } from '#mesh/injection/build-proxy-container.ts'
import { proxyHealthPort, proxyUser } from '#mesh/kubernetes/conventions.ts'
import { gatewayResources } from './install-settings.ts'
import { restrictedPod, spreadOverNodes } from './restricted-pod.ts'

interface GatewayPod {
  readonly image: string
  readonly serviceAccountName: string
  /** By which its replicas are told from other pods. */
  readonly selector: Readonly<Record<string, string>>
  readonly drainSeconds: number
  /** Beside the one of its health. */
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
}

/** The spec of a gateway's pods: the same Envoy as beside applications, without anything to capture. */
export const buildGatewayPodSpec = ({ image, serviceAccountName, selector, drainSeconds, ports }: GatewayPod) => ({
  serviceAccountName,
  automountServiceAccountToken: false,
  securityContext: restrictedPod(proxyUser),
  topologySpreadConstraints: spreadOverNodes(selector),
  terminationGracePeriodSeconds: drainSeconds + 20,
  containers: [
    {
      ...buildProxyContainer({
        image,
        tracedAs: `${serviceAccountName}.$(POD_NAMESPACE)`,
        isNative: false,
        isGateway: true,
        holdsApplication: false,
        rewritesProbes: false,
        mergesMetrics: false,
        resources: gatewayResources,
        concurrency: 2,
        logLevel: 'warning',
        componentLogLevel: undefined,
        environment: {},
        fileFlush: {},
        drainSeconds,
        readiness: { initialDelaySeconds: 0, periodSeconds: 2, failureThreshold: 3 },
      }),
      ports: [...ports, { name: 'http-health', containerPort: proxyHealthPort }],
    },
  ],
  volumes: proxyVolumes,
})
