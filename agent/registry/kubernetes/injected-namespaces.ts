import { chooseNamespace } from '#mesh/injection/decide-injection.ts'
import type { KubeNamespace } from './objects/kube-namespace.ts'
import type { KnownPod } from './pod-directory.ts'

/** The namespaces with proxies of a revision of the injector: those whose labels ask for them, and those in which a pod has got one all the same. */
export const toInjectedNamespaces = (
  namespaces: ReadonlyMap<string, KubeNamespace>,
  pods: Iterable<KnownPod>,
  revision: string,
): ReadonlySet<string> => {
  const injected = new Set<string>()
  for (const [name, { injectionLabels }] of namespaces)
    if (chooseNamespace(injectionLabels, revision) === 'all') injected.add(name)
  for (const pod of pods) if (pod.injected || pod.isGateway) injected.add(pod.namespace)
  return injected
}
