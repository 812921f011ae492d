import { defaultRevision } from '../kubernetes/conventions.ts'

/** Kubernetes quantities, such as "100m" and "128Mi". */
export type ResourceQuantities = { readonly cpu?: string; readonly memory?: string }
export type Resources = { readonly requests?: ResourceQuantities; readonly limits?: ResourceQuantities }

/** What an installation injects where a pod's annotations say nothing else. */
export interface InjectionSettings {
  readonly revision: string
  /** With Envoy as its entrypoint, and with bash, iptables and ip6tables. */
  readonly proxyImage: string
  /** Whether the proxy is an init container that goes on (Kubernetes ≥ 1.29), or an ordinary container. */
  readonly nativeSidecars: boolean
  /** Of ordinary containers; a native sidecar always starts before the application. */
  readonly holdApplicationUntilProxyStarts: boolean
  readonly resources: Resources
}

/** The image is the installation's to choose: it goes with a version. */
export const defaultInjectionSettings: Omit<InjectionSettings, 'proxyImage'> = {
  revision: defaultRevision,
  nativeSidecars: true,
  holdApplicationUntilProxyStarts: false,
  resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '2', memory: '1Gi' } },
}
