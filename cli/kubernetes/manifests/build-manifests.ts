import { agentName, clusterAnnotation, defaultRevision, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import type { KubernetesObject, ObjectReference } from '../kubernetes-object.ts'
import { buildAgentAccess } from './agent-access.ts'
import { buildAgentDeployment } from './agent-deployment.ts'
import { buildAgentNetwork } from './agent-network.ts'
import { buildEastWestGateway } from './east-west-gateway.ts'
import { egressGateway, ingressGateway } from '#mesh/kubernetes/installed-gateways.ts'
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
  ...(settings.ingressGateway
    ? buildGatewayProxy(settings, ingressGateway, settings.gateway?.service ?? 'LoadBalancer')
    : []),
  ...(settings.egressGateway ? buildGatewayProxy(settings, egressGateway, 'ClusterIP') : []),
  buildInjectorWebhook(settings),
  ...buildInjectorGuard(),
]

const buildSystemNamespace = (cluster: string): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name: systemNamespace,
    labels: restrictedNamespace(agentName),
    annotations: { [clusterAnnotation]: cluster },
  },
})

/** What an installation may consist of, whatever its settings: they change no name. The join token is not among it. */
export const installedReferences: readonly ObjectReference[] = buildManifests({
  cluster: '',
  network: '',
  plane: '',
  image: '',
  proxyImage: '',
  replicas: 1,
  gateway: { service: 'LoadBalancer' },
  ingressGateway: true,
  egressGateway: true,
  failurePolicy: 'Fail',
  revision: defaultRevision,
})
