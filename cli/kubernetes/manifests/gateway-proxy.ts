import {
  agentName,
  agentSecretsRole,
  gatewayTemplate,
  injectLabel,
  injectionTemplatesAnnotation,
  proxyHealthPort,
  systemNamespace,
} from '#mesh/kubernetes/conventions.ts'
import { istioNamespace, type InstalledGateway } from '#mesh/kubernetes/installed-gateways.ts'
import type { KubernetesObject } from '../kubernetes-object.ts'
import { buildDisruptionBudget } from './agent-network.ts'
import { toPolicyRules } from './agent-access.ts'
import { buildGatewayPodSpec } from './gateway-pod.ts'
import type { GatewaySettings, InstallSettings } from './install-settings.ts'
import { restrictedNamespace, rollWithoutGap } from './restricted-pod.ts'
import { toLabels } from './object-labels.ts'

/** Load balancers hear first that it is to be spared; clients that hold on to a connection have so long to be answered. */
const DRAIN_SECONDS = 45
const rbac = 'rbac.authorization.k8s.io'

/** Ports of the Service, and where the proxy listens for them, as Istio's: who is not root may listen there. */
const ports = [
  { name: 'status-port', protocol: 'TCP', port: proxyHealthPort, targetPort: proxyHealthPort },
  { name: 'http2', protocol: 'TCP', port: 80, targetPort: 8080 },
  { name: 'https', protocol: 'TCP', port: 443, targetPort: 8443 },
]

const buildOwnNamespace = (name: string, namespace: string): readonly KubernetesObject[] => {
  const metadata = { name: agentSecretsRole, namespace, labels: toLabels(agentName) }
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: restrictedNamespace(name) } },
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata, rules: toPolicyRules('gateway') },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata,
      roleRef: { apiGroup: rbac, kind: 'Role', name: agentSecretsRole },
      subjects: [{ kind: 'ServiceAccount', name: agentName, namespace: systemNamespace }],
    },
  ]
}

/**
 * A gateway that Istio's Gateway objects find by the labels of Istio's own. In a namespace of its own, which comes with it, the agent may
 * read the Secrets, and no others.
 */
export const buildGatewayProxy = (
  { proxyImage, replicas }: InstallSettings,
  { name, namespace, istio }: InstalledGateway,
  service: GatewaySettings['service'] | 'ClusterIP',
): readonly KubernetesObject[] => {
  const selector = { app: name, istio }
  const labels = { ...toLabels(name), ...selector }
  const metadata = { name, namespace, labels }
  return [
    ...(namespace === istioNamespace ? [] : buildOwnNamespace(name, namespace)),
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata, automountServiceAccountToken: false },
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { type: service, selector, ports } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas,
        selector: { matchLabels: selector },
        strategy: rollWithoutGap,
        template: {
          metadata: {
            labels: { ...labels, [injectLabel]: 'false' },
            annotations: { [injectionTemplatesAnnotation]: gatewayTemplate },
          },
          spec: buildGatewayPodSpec({
            image: proxyImage,
            serviceAccountName: name,
            selector: { app: name },
            drainSeconds: DRAIN_SECONDS,
            ports: [],
          }),
        },
      },
    },
    buildDisruptionBudget(name, namespace),
  ]
}
