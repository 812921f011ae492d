import { proxyConfigMap } from '../kubernetes/conventions.ts'

interface Volume {
  readonly configMap?: { readonly name?: string | undefined } | undefined
}

/**
 * Whether a pod with these volumes has a proxy of Atoll's, a sidecar or a gateway. Containers and annotations of Istio's proxies have the
 * same names, and an annotation can be copied from another pod: what a proxy starts with tells whose it is.
 */
export const hasProxyOfAtoll = (volumes: readonly Volume[]): boolean =>
  volumes.some(({ configMap }) => configMap?.name === proxyConfigMap)
