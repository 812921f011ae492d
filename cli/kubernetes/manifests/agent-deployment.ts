import { createHash } from 'node:crypto'
import { toYaml } from './to-yaml.ts'
import {
  agentConfigDirectory,
  agentConfigMap,
  agentHttpPort,
  agentName,
  agentUser,
  agentWebhookPort,
  agentXdsPort,
  joinTokenDirectory,
  joinTokenSecret,
  systemNamespace,
} from '#mesh/kubernetes/conventions.ts'
import type { KubernetesObject } from '../kubernetes-object.ts'
import { agentResources } from './install-settings.ts'
import type { InstallSettings } from './install-settings.ts'
import { toLabels, toSelector } from './object-labels.ts'
import { toForwardConfig, toForwardMounts, toForwardVolumes } from './telemetry-forward.ts'
import { restrictedContainer, restrictedPod, rollWithoutGap, spreadOverNodes } from './restricted-pod.ts'

const CONFIG_FILE = 'agent.yaml'
const PLANE_CA_FILE = 'plane-ca.pem'
const JOIN_TOKEN_FILE = 'token'
const DATA_DIRECTORY = '/var/lib/atoll'

/** The annotation that rolls the agents when their configuration changes. */
export const configHashAnnotation = 'atoll.dev/config-hash'

/** The agent with its configuration and, before it has joined, its token. */
export const buildAgentDeployment = (settings: InstallSettings): readonly KubernetesObject[] => {
  const metadata = { name: agentName, namespace: systemNamespace, labels: toLabels(agentName) }
  const data = toConfigFiles(settings)
  return [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...metadata, name: agentConfigMap }, data },
    ...(settings.joinToken === undefined ? [] : [buildJoinToken(settings.joinToken)]),
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: settings.replicas,
        selector: { matchLabels: toSelector(agentName) },
        strategy: rollWithoutGap,
        template: {
          metadata: {
            labels: toLabels(agentName),
            annotations: {
              [configHashAnnotation]: createHash('sha256').update(JSON.stringify(data)).digest('hex').slice(0, 16),
            },
          },
          spec: toPodSpec(settings),
        },
      },
    },
  ]
}

/** The token stands in a Secret of its own, which goes when the cluster has joined. */
export const buildJoinToken = (joinToken: string): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: joinTokenSecret, namespace: systemNamespace, labels: toLabels(agentName) },
  type: 'Opaque',
  stringData: { [JOIN_TOKEN_FILE]: joinToken },
})

/** The fields are those of agent/config.ts. */
const toConfigFiles = ({
  plane,
  planeCa,
  network,
  gateway,
  telemetryForward,
  proxyImage,
  revision,
}: InstallSettings): Record<string, string> => {
  const config = {
    plane,
    registry: 'kubernetes',
    network,
    // A folder of its own: a volume's root belongs to root, and keys want one that others can't read.
    dataDirectory: `${DATA_DIRECTORY}/agent`,
    injection: { proxyImage, revision },
    joinTokenFile: `${joinTokenDirectory}/${JOIN_TOKEN_FILE}`,
    ...(gateway?.addresses !== undefined && { gateways: gateway.addresses }),
    ...(planeCa !== undefined && { planeCaFile: PLANE_CA_FILE }),
    ...(telemetryForward !== undefined && { telemetryForward: toForwardConfig(telemetryForward) }),
  }
  return { [CONFIG_FILE]: toYaml(config), ...(planeCa !== undefined && { [PLANE_CA_FILE]: planeCa }) }
}

/** An agent that is busy for a second or two is not a dead one. */
const livenessProbe = { httpGet: { path: '/healthz', port: 'http-status' }, timeoutSeconds: 5 }

const toPodSpec = ({ image, telemetryForward = [] }: InstallSettings) => ({
  serviceAccountName: agentName,
  securityContext: restrictedPod(agentUser),
  topologySpreadConstraints: spreadOverNodes(toSelector(agentName)),
  terminationGracePeriodSeconds: 30,
  containers: [
    {
      name: 'agent',
      image,
      args: ['run', '--config', `${agentConfigDirectory}/${CONFIG_FILE}`],
      ports: [
        { name: 'grpc-xds', containerPort: agentXdsPort },
        { name: 'https-webhook', containerPort: agentWebhookPort },
        { name: 'http-status', containerPort: agentHttpPort },
      ],
      // A node that is busy takes its time; killing what starts makes it no quicker.
      startupProbe: { ...livenessProbe, periodSeconds: 1, failureThreshold: 300 },
      livenessProbe: { ...livenessProbe, periodSeconds: 10, failureThreshold: 6 },
      readinessProbe: { httpGet: { path: '/readyz', port: 'http-status' }, periodSeconds: 2 },
      // Proxies and the API server go on coming until they have heard that this replica is leaving.
      lifecycle: { preStop: { sleep: { seconds: 5 } } },
      resources: agentResources,
      securityContext: restrictedContainer,
      volumeMounts: [
        { name: 'config', mountPath: agentConfigDirectory, readOnly: true },
        { name: 'join-token', mountPath: joinTokenDirectory, readOnly: true },
        { name: 'data', mountPath: DATA_DIRECTORY },
        { name: 'tmp', mountPath: '/tmp' },
        ...toForwardMounts(telemetryForward),
      ],
    },
  ],
  volumes: [
    { name: 'config', configMap: { name: agentConfigMap } },
    { name: 'join-token', secret: { secretName: joinTokenSecret, optional: true } },
    { name: 'data', emptyDir: {} },
    { name: 'tmp', emptyDir: {} },
    ...toForwardVolumes(telemetryForward),
  ],
})
