import type { TelemetryForwards } from './telemetry-forward.ts'

/** CPU and memory as Kubernetes takes them. */
export interface ContainerResources {
  readonly requests: { readonly cpu: string; readonly memory: string }
  readonly limits: { readonly memory: string }
}

/** The Service in front of the east-west gateway, and where other networks reach it when the cluster can't tell. */
export interface GatewaySettings {
  readonly service: 'LoadBalancer' | 'NodePort'
  /** "host:port", by hand. */
  readonly addresses?: readonly string[] | undefined
}

/** What differs between installations. */
export interface InstallSettings {
  readonly cluster: string
  readonly network: string
  /** URL of the control plane as the agent's pods reach it. */
  readonly plane: string
  /** PEM of the authority of the plane's certificate, where it is not a public one. */
  readonly planeCa?: string | undefined
  /** The one-time token of a cluster that has not joined yet. */
  readonly joinToken?: string | undefined
  /** Who is sent telemetry beside the plane. Absent: nobody. */
  readonly telemetryForward?: TelemetryForwards | undefined
  readonly image: string
  readonly proxyImage: string
  /** Of the agent, and of each gateway. */
  readonly replicas: number
  /** Absent: no gateway. */
  readonly gateway?: GatewaySettings | undefined
  /** For what Gateway objects select by Istio's labels of these gateways: the namespace that each is in. Absent: there is none. */
  readonly ingressGateway?: string | undefined
  readonly egressGateway?: string | undefined
  /** What happens to new pods while no agent answers: "Fail" keeps them from starting, "Ignore" lets them start without a proxy. */
  readonly failurePolicy: 'Fail' | 'Ignore'
  /** Of the injector: "default", or another where Istio's injects by default. */
  readonly revision: string
}

export const defaultReplicas = 2

/**
 * Measured (docs/kubernetes.md has the numbers, and how to repeat it). Memory is limited, since it can't be taken back; CPU is not: a
 * limit would only make changes wait.
 */
export const agentResources: ContainerResources = {
  requests: { cpu: '100m', memory: '256Mi' },
  limits: { memory: '1Gi' },
}
export const gatewayResources: ContainerResources = {
  requests: { cpu: '100m', memory: '128Mi' },
  limits: { memory: '512Mi' },
}
