import {
  defaultRevision,
  injectLabel,
  injectionLabel,
  injectionStatusAnnotation,
  proxyContainer,
  revisionLabel,
  systemNamespace,
} from '../kubernetes/conventions.ts'
import { allContainers } from './pod.ts'
import type { Pod } from './pod.ts'

type Labels = Readonly<Record<string, string>>

/** Where nothing is ever injected: Kubernetes' own namespaces, as in Istio, and ours. */
export const uninjectedNamespaces: readonly string[] = [
  'kube-system',
  'kube-public',
  'kube-node-lease',
  'local-path-storage',
  systemNamespace,
]

/** Whose pods of a namespace are meant: all that do not refuse, those that ask for it, or none. */
export type NamespaceChoice = 'all' | 'asking' | 'none'

/**
 * What a namespace's labels say to the injector of a revision. `istio-injection` wins over `istio.io/rev` and concerns the default
 * revision alone. (Istio's "Controlling the injection policy", and the selectors of its webhooks.)
 */
export const chooseNamespace = (labels: Labels, revision: string): NamespaceChoice => {
  const injection = labels[injectionLabel]
  if (injection !== undefined) return injection === 'enabled' && revision === defaultRevision ? 'all' : 'none'
  const namespaceRevision = labels[revisionLabel]
  if (namespaceRevision !== undefined) return namespaceRevision === revision ? 'all' : 'none'
  return 'asking'
}

export interface InjectionCase {
  readonly namespace: string
  /** Absent = somebody has chosen the namespace already: the API server by our webhook's selectors, or a person. */
  readonly namespaceLabels?: Labels
  readonly pod: Pod
  /** Ours. */
  readonly revision: string
}

export type InjectionDecision =
  | { readonly inject: true }
  /** Why not, for a person. */
  | { readonly inject: false; readonly reason: string }

/**
 * Whether a pod is injected, in Istio's order of precedence: a pod on the host's network and a system namespace never; a namespace that
 * is switched off beats its pods; a pod's label beats its annotation; what is neither "true" nor "false" says nothing.
 */
export const decideInjection = ({ namespace, namespaceLabels, pod, revision }: InjectionCase): InjectionDecision => {
  if (isInjected(pod)) return no('it is injected already')
  if (pod.spec.hostNetwork === true) return no("it is on its node's network")
  if (uninjectedNamespaces.includes(namespace)) return no(`nothing is injected in namespace ${namespace}`)
  const labels = pod.metadata?.labels ?? {}
  const wish = labels[injectLabel] ?? pod.metadata?.annotations?.[injectLabel]
  if (wish === 'false') return no(`its ${injectLabel} is "false"`)
  const choice = namespaceLabels === undefined ? 'all' : chooseNamespace(namespaceLabels, revision)
  if (choice === 'none') return no(`namespace ${namespace} is not for revision ${revision}`)
  if (choice === 'asking' && !isAskingFor(labels, revision))
    return no(`neither it nor namespace ${namespace} asks for revision ${revision}`)
  return { inject: true }
}

const no = (reason: string): InjectionDecision => ({ inject: false, reason })

/** By labels alone: an annotation does not bring a pod to the webhook. */
const isAskingFor = (labels: Labels, revision: string): boolean => {
  const podRevision = labels[revisionLabel]
  if (podRevision !== undefined) return podRevision === revision
  return labels[injectLabel] === 'true' && revision === defaultRevision
}

/** An annotation alone may have been copied from another pod. */
export const isInjected = (pod: Pod): boolean =>
  pod.metadata?.annotations?.[injectionStatusAnnotation] !== undefined &&
  allContainers(pod).some(({ name }) => name === proxyContainer)
