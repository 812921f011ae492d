/**
 * What the parts of Atoll in a Kubernetes cluster agree on: the injector and the manifests write it, the agent and the compiler read it.
 */

/** Where the agent is installed. */
export const systemNamespace = 'atoll-system'

/** The agent's Deployment, Service and ServiceAccount. */
export const agentName = 'atoll-agent'

/** The Role that lets the agent read the Secrets of a namespace, where the manifests or docs/ingress.md have it. */
export const agentSecretsRole = 'atoll-agent-secrets'

/** Port of the agent's Service (and of its pods) for xDS. */
export const agentXdsPort = 15_010
/** Port of the agent's Service (and of its pods) for the injector's webhook. */
export const agentWebhookPort = 15_017

/** Audience of the projected service account token that a proxy proves itself with. */
export const tokenAudience = 'atoll'
/** Where the token is mounted in a proxy's container. */
export const tokenFile = '/var/run/secrets/atoll/token'

/** ConfigMap in each namespace with proxies: their bootstrap and the mesh's roots. The agent keeps it. */
export const proxyConfigMap = 'atoll-proxy'
/** Where that is mounted in a proxy's container. */
export const proxyConfigDirectory = '/etc/atoll/proxy'

/** Name of the injected proxy's container; Istio's, because people's YAML, probes and scripts name it. */
export const proxyContainer = 'istio-proxy'
/** Name of the init container that sets capture up. */
export const captureContainer = 'istio-init'
/** User and group of the proxy: what it sends is not captured. */
export const proxyUser = 1337

/** Captured outgoing connections come here. */
export const outboundCapturePort = 15_001
/** Captured incoming connections come here. */
export const inboundCapturePort = 15_006
/** The proxy's readiness (`/healthz/ready`), and rewritten probes of the application (`/app-health/<container>/<kind>`). */
export const proxyHealthPort = 15_021
/** Answers 200 on `proxyHealthPort` as long as the proxy has its configuration and is not about to end. */
export const proxyReadinessPath = '/healthz/ready'
/** A pod's proxy answers here with its application's own metrics, in plaintext (Istio's port and path). */
export const appMetricsPort = 15_020
/**
 * Where a captured pod's proxy itself listens on all addresses, which Envoy lets only one listener do: what is meant for others there goes on
 * unseen, as in Istio. Every gateway's Service has its health on one of them.
 */
export const proxyListenPorts: readonly number[] = [
  outboundCapturePort,
  inboundCapturePort,
  proxyHealthPort,
  appMetricsPort,
]
export const appMetricsPath = '/stats/prometheus'
/**
 * Source address of what the proxy passes on to its own pod's addresses, as in Istio: capture rules let it through, whoever it is to
 * (`-s 127.0.0.6/32 -o lo -j RETURN`), or it would come back to `inboundCapturePort`.
 */
export const passedOnSource = '127.0.0.6'
/** Envoy's admin interface, on loopback in the pod. */
export const proxyAdminPort = 15_000

/** What a pod label says of its proxy's role; "east-west-gateway" counts in `systemNamespace` only. */
export const roleLabel = 'atoll.dev/role'
export const eastWestGatewayRole = 'east-west-gateway'
/** Port of the east-west gateway, in its pod and its Service. */
export const eastWestGatewayPort = 15_443

/** Annotation on a pod that was injected (Istio's name): JSON that tells with what. Its traffic is captured. */
export const injectionStatusAnnotation = 'sidecar.istio.io/status'

/** Annotation of pods (Istio's name): the templates that they are injected by, separated by commas. */
export const injectionTemplatesAnnotation = 'inject.istio.io/templates'
/** The template of pods that are a gateway: a proxy without an application. */
export const gatewayTemplate = 'gateway'

/** Label of namespaces and pods, as in Istio: "enabled" or "disabled". */
export const injectionLabel = 'istio-injection'
/** Label (and annotation) of pods, as in Istio: "true" or "false". */
export const injectLabel = 'sidecar.istio.io/inject'
/** Label of namespaces and pods, as in Istio: the revision whose injector is meant. */
export const revisionLabel = 'istio.io/rev'

/** User and group of the agent's process. */
export const agentUser = 65_532
/** Port of the agent's pods for probes and metrics. */
export const agentHttpPort = 15_020
/** ConfigMap with the agent's configuration, `agent.yaml`, and where that is mounted. */
export const agentConfigMap = 'atoll-agent'
export const agentConfigDirectory = '/etc/atoll/agent'
/** Secret with the join token, `token`, and where that is mounted. It is there until the cluster has joined. */
export const joinTokenSecret = 'atoll-join-token'
export const joinTokenDirectory = '/etc/atoll/join'
/** Where the files of backends are mounted that telemetry is forwarded to. */
export const agentForwardDirectory = '/etc/atoll/forward'
/** Secret with what the agent's replicas share once the cluster has joined: the intermediate and its key. The agent makes it. */
export const agentStateSecret = 'atoll-agent-state'
/** Where in it the record is: JSON, with a `membership` that is null until the cluster has joined. */
export const agentStateKey = 'agent.json'
/** Lease of the one replica that reports. */
export const reporterLease = 'atoll-agent-reporter'

/** The MutatingWebhookConfiguration. The agent keeps its `caBundle`. */
export const injectorWebhook = 'atoll-injector'
/** The ValidatingAdmissionPolicy that lets the agent write no more of it than that. */
export const injectorGuard = 'atoll-injector-guard'
/** The path of the webhook in the agent. */
export const injectorPath = '/inject'
/** Secret with the authorities that API servers know the injector by. The agent makes it. */
export const injectorSecret = 'atoll-injector'
/** The revision that injects where no revision is named. */
export const defaultRevision = 'default'

/** Deployment, Service and ServiceAccount of the east-west gateway. */
export const eastWestGatewayName = 'atoll-east-west-gateway'

/** Annotation of `systemNamespace`: name of the cluster that is installed there. */
export const clusterAnnotation = 'atoll.dev/cluster'

/** Label of pods (and of `systemNamespace`), as in Istio: the network they are on. */
export const networkLabel = 'topology.istio.io/network'

/** Labels of the objects that the agent makes by itself: an uninstall finds them by these, and what lacks them is somebody else's. */
export const agentObjectLabels = { 'app.kubernetes.io/part-of': 'atoll', 'app.kubernetes.io/managed-by': agentName }
