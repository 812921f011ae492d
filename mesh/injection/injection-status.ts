import { proxyConfigMap } from '../kubernetes/conventions.ts'

/** What the injector writes into `injectionStatusAnnotation`: names of what it has added to the pod, as Istio's does. */
export interface InjectionStatus {
  readonly initContainers: readonly string[]
  readonly containers: readonly string[]
  readonly volumes: readonly string[]
  readonly imagePullSecrets: readonly string[]
  readonly revision: string
}

/** Whether an `injectionStatusAnnotation` is of Atoll's injector. Istio's has the same name, and none of our volumes. */
export const isStatusOfAtoll = (text: string): boolean => {
  const volumes = parseVolumes(text)
  return Array.isArray(volumes) && volumes.includes(proxyConfigMap)
}

const parseVolumes = (text: string): unknown => {
  try {
    const status: unknown = JSON.parse(text)
    return typeof status === 'object' && status !== null && 'volumes' in status ? status.volumes : undefined
  } catch {
    return undefined
  }
}
