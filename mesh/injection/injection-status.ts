/** What the injector writes into `injectionStatusAnnotation`: names of what it has added to the pod, as Istio's does. */
export interface InjectionStatus {
  readonly initContainers: readonly string[]
  readonly containers: readonly string[]
  readonly volumes: readonly string[]
  readonly imagePullSecrets: readonly string[]
  readonly revision: string
}
