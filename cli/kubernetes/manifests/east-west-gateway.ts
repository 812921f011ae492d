import { dirname, basename } from 'node:path'
import {
  eastWestGatewayName,
  eastWestGatewayPort,
  eastWestGatewayRole,
  proxyConfigDirectory,
  proxyConfigMap,
  proxyContainer,
  proxyHealthPort,
  proxyUser,
  roleLabel,
  systemNamespace,
  tokenAudience,
  tokenFile,
} from '#mesh/kubernetes/conventions.ts'
import type { KubernetesObject } from '../kubernetes-object.ts'
import { buildDisruptionBudget } from './agent-network.ts'
import { gatewayResources } from './install-settings.ts'
import type { GatewaySettings, InstallSettings } from './install-settings.ts'
import { toLabels, toSelector } from './object-labels.ts'
import {
  podNameVariables,
  restrictedContainer,
  restrictedPod,
  rollWithoutGap,
  spreadOverNodes,
} from './restricted-pod.ts'

const name = eastWestGatewayName
const metadata = { name, namespace: systemNamespace, labels: toLabels(name) }
const DRAIN_SECONDS = 10
const TOKEN_SECONDS = 3600

/** The gateway through which other networks reach what runs here; it passes TLS on without seeing into it. */
export const buildEastWestGateway = (
  { proxyImage, replicas }: InstallSettings,
  { service }: GatewaySettings,
): readonly KubernetesObject[] => [
  // Known to the agent by a token of its own; the API server's it has no use for.
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata, automountServiceAccountToken: false },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, labels: { ...metadata.labels, [roleLabel]: eastWestGatewayRole } },
    spec: {
      type: service,
      selector: toSelector(name),
      // The address of who calls is of no use: identities are in the certificates. So every node may take the traffic.
      externalTrafficPolicy: 'Cluster',
      ports: [{ name: 'tls', protocol: 'TCP', port: eastWestGatewayPort, targetPort: 'tls' }],
    },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      replicas,
      selector: { matchLabels: toSelector(name) },
      strategy: rollWithoutGap,
      template: {
        metadata: { labels: { ...metadata.labels, [roleLabel]: eastWestGatewayRole } },
        spec: toPodSpec(proxyImage),
      },
    },
  },
  buildDisruptionBudget(name),
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata,
    spec: {
      podSelector: { matchLabels: toSelector(name) },
      policyTypes: ['Ingress'],
      ingress: [
        {
          ports: [
            { protocol: 'TCP', port: eastWestGatewayPort },
            { protocol: 'TCP', port: proxyHealthPort },
          ],
        },
      ],
    },
  },
]

const toPodSpec = (image: string) => ({
  serviceAccountName: name,
  automountServiceAccountToken: false,
  securityContext: restrictedPod(proxyUser),
  topologySpreadConstraints: spreadOverNodes(toSelector(name)),
  terminationGracePeriodSeconds: DRAIN_SECONDS + 20,
  containers: [
    {
      name: proxyContainer,
      image,
      args: [
        '--config-path',
        `${proxyConfigDirectory}/envoy.yaml`,
        '--service-node',
        '$(POD_NAME).$(POD_NAMESPACE)',
        '--drain-time-s',
        String(DRAIN_SECONDS),
        '--disable-hot-restart',
      ],
      env: podNameVariables,
      ports: [
        { name: 'tls', containerPort: eastWestGatewayPort },
        { name: 'http-health', containerPort: proxyHealthPort },
      ],
      readinessProbe: { httpGet: { path: '/healthz/ready', port: 'http-health' }, periodSeconds: 2 },
      // Other networks hear that this one leaves before it does.
      lifecycle: { preStop: { sleep: { seconds: DRAIN_SECONDS } } },
      resources: gatewayResources,
      securityContext: restrictedContainer,
      volumeMounts: [
        { name: 'proxy-config', mountPath: proxyConfigDirectory, readOnly: true },
        { name: 'token', mountPath: dirname(tokenFile), readOnly: true },
        { name: 'tmp', mountPath: '/tmp' },
      ],
    },
  ],
  volumes: [
    { name: 'proxy-config', configMap: { name: proxyConfigMap } },
    {
      name: 'token',
      projected: {
        sources: [
          {
            serviceAccountToken: {
              audience: tokenAudience,
              expirationSeconds: TOKEN_SECONDS,
              path: basename(tokenFile),
            },
          },
        ],
      },
    },
    { name: 'tmp', emptyDir: {} },
  ],
})
