import {
  agentHttpPort,
  agentName,
  agentWebhookPort,
  agentXdsPort,
  systemNamespace,
} from '#mesh/kubernetes/conventions.ts'
import type { KubernetesObject } from '../kubernetes-object.ts'
import { toLabels, toSelector } from './object-labels.ts'

const metadata = { name: agentName, namespace: systemNamespace, labels: toLabels(agentName) }
const tcp = (port: number) => ({ protocol: 'TCP', port })
const anyPod = [{ namespaceSelector: {} }]

/** How the agent is reached, and by whom. What it reaches is not limited: the API server and the plane have no selector. */
export const buildAgentNetwork = (): readonly KubernetesObject[] => [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: {
      selector: toSelector(agentName),
      ports: [
        { name: 'grpc-xds', protocol: 'TCP', port: agentXdsPort, targetPort: 'grpc-xds' },
        { name: 'https-webhook', protocol: 'TCP', port: agentWebhookPort, targetPort: 'https-webhook' },
      ],
    },
  },
  buildDisruptionBudget(agentName),
  {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata,
    spec: {
      podSelector: { matchLabels: toSelector(agentName) },
      policyTypes: ['Ingress'],
      ingress: [
        { from: anyPod, ports: [tcp(agentXdsPort)] },
        // From who is no pod: the API server calls and passes through what people ask of an agent, a Prometheus may run beside the pods.
        { ports: [tcp(agentWebhookPort), tcp(agentHttpPort)] },
      ],
    },
  },
]

/** One replica at a time may be taken away on purpose. */
export const buildDisruptionBudget = (name: string, namespace = systemNamespace): KubernetesObject => ({
  apiVersion: 'policy/v1',
  kind: 'PodDisruptionBudget',
  metadata: { name, namespace, labels: toLabels(name) },
  spec: { maxUnavailable: 1, selector: { matchLabels: toSelector(name) } },
})
