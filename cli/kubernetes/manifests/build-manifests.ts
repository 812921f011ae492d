import { agentName, clusterAnnotation, defaultRevision, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import type { KubernetesObject, ObjectReference } from '../kubernetes-object.ts'
import { buildAgentAccess } from './agent-access.ts'
import { buildAgentDeployment } from './agent-deployment.ts'
import { buildAgentNetwork } from './agent-network.ts'
import { buildEastWestGateway } from './east-west-gateway.ts'
import { egressGateway, ingressGateway, istioNamespace } from '#mesh/kubernetes/installed-gateways.ts'
import { buildGatewayProxy } from './gateway-proxy.ts'
import { buildInjectorGuard } from './injector-guard.ts'
import { buildInjectorWebhook } from './injector-webhook.ts'
import type { InstallSettings } from './install-settings.ts'
import { restrictedNamespace } from './restricted-pod.ts'

/**
 * All that Atoll consists of in a cluster but upstream's CRDs, in the order in which it is to be applied: the webhook when there
 * is something behind it, and what guards it, so that it goes after it as well.
 */
export const buildManifests = (settings: InstallSettings): readonly KubernetesObject[] => [
  buildSystemNamespace(settings.cluster),
  ...buildAgentAccess(),
  ...buildAgentNetwork(),
  ...buildAgentDeployment(settings),
  ...(settings.gateway === undefined ? [] : buildEastWestGateway(settings, settings.gateway)),
  ...buildIstioGateways(settings),
  buildInjectorWebhook(settings),
  ...buildInjectorGuard(),
]

const buildIstioGateways = (settings: InstallSettings): readonly KubernetesObject[] => {
  const { ingressGateway: ingress, egressGateway: egress, gateway } = settings
  return [
    ...(ingress === istioNamespace || egress === istioNamespace
      ? [{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: istioNamespace } }]
      : []),
    ...(ingress === undefined
      ? []
      : buildGatewayProxy(settings, { ...ingressGateway, namespace: ingress }, gateway?.service ?? 'LoadBalancer')),
    ...(egress === undefined ? [] : buildGatewayProxy(settings, { ...egressGateway, namespace: egress }, 'ClusterIP')),
  ]
}

const buildSystemNamespace = (cluster: string): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name: systemNamespace,
    labels: restrictedNamespace(agentName),
    annotations: { [clusterAnnotation]: cluster },
  },
})

const everything: InstallSettings = {
  cluster: '',
  network: '',
  plane: '',
  image: '',
  proxyImage: '',
  replicas: 1,
  gateway: { service: 'LoadBalancer' },
  ingressGateway: ingressGateway.namespace,
  egressGateway: egressGateway.namespace,
  failurePolicy: 'Fail',
  revision: defaultRevision,
}

/** What an installation may consist of in namespaces of its own, whatever its settings: they change no name. The join token is not among it. */
export const installedReferences: readonly ObjectReference[] = buildManifests(everything)

/** What it may have in Istio's namespace, where objects of these names may be Istio's too. The namespace is not among it. */
export const referencesAtIstio: readonly ObjectReference[] = buildIstioGateways({
  ...everything,
  ingressGateway: istioNamespace,
  egressGateway: istioNamespace,
}).filter(({ kind }) => kind !== 'Namespace')
