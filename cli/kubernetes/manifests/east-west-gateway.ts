import { passedConnectionSeconds } from '#mesh/passed-connection.ts'
import {
  eastWestGatewayName,
  eastWestGatewayPort,
  eastWestGatewayRole,
  proxyHealthPort,
  roleLabel,
  systemNamespace,
} from '#mesh/kubernetes/conventions.ts'
import type { KubernetesObject } from '../kubernetes-object.ts'
import { buildDisruptionBudget } from './agent-network.ts'
import { buildGatewayPodSpec } from './gateway-pod.ts'
import type { GatewaySettings, InstallSettings } from './install-settings.ts'
import { toLabels, toSelector } from './object-labels.ts'
import { rollWithoutGap } from './restricted-pod.ts'

const name = eastWestGatewayName
const metadata = { name, namespace: systemNamespace, labels: toLabels(name) }
/** Callers give a connection up at this age, and need a moment to hear that the gateway is to be spared, and to be answered. */
const DRAIN_SECONDS = passedConnectionSeconds + 15

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
        spec: buildGatewayPodSpec({
          image: proxyImage,
          serviceAccountName: name,
          selector: toSelector(name),
          drainSeconds: DRAIN_SECONDS,
          ports: [{ name: 'tls', containerPort: eastWestGatewayPort }],
        }),
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
