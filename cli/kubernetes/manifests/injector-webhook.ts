import {
  agentName,
  agentWebhookPort,
  defaultRevision,
  injectLabel,
  injectionLabel,
  injectorPath,
  injectorWebhook,
  revisionLabel,
  systemNamespace,
} from '#mesh/kubernetes/conventions.ts'
import type { KubernetesObject } from '../kubernetes-object.ts'
import type { InstallSettings } from './install-settings.ts'
import { toLabels } from './object-labels.ts'

interface Requirement {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'DoesNotExist'
  readonly values?: readonly string[]
}

const isIn = (key: string, value: string): Requirement => ({ key, operator: 'In', values: [value] })
const isNot = (key: string, ...values: string[]): Requirement => ({ key, operator: 'NotIn', values })
const isAbsent = (key: string): Requirement => ({ key, operator: 'DoesNotExist' })

/** Where an injector that is away must never keep a pod from starting: neither the cluster's own pods nor the injector's. */
const notOfTheSystem = isNot(
  'kubernetes.io/metadata.name',
  systemNamespace,
  'kube-system',
  'kube-public',
  'kube-node-lease',
)
const notRefused = isNot(injectLabel, 'false')

interface Selection {
  readonly name: string
  readonly namespaces: readonly Requirement[]
  readonly pods: readonly Requirement[]
}

/**
 * Which pods are injected, as in Istio (its chart istio-control/istio-discovery, mutatingwebhook.yaml): a namespace's label decides
 * before a pod's, and no pod matches twice.
 */
const toSelections = (revision: string): readonly Selection[] => [
  {
    name: 'rev.namespace',
    namespaces: [isIn(revisionLabel, revision), isAbsent(injectionLabel)],
    pods: [notRefused],
  },
  {
    name: 'rev.object',
    namespaces: [isAbsent(revisionLabel), isAbsent(injectionLabel)],
    pods: [notRefused, isIn(revisionLabel, revision)],
  },
  ...(revision === defaultRevision ? unrevised : []),
]

const unrevised: readonly Selection[] = [
  { name: 'namespace', namespaces: [isIn(injectionLabel, 'enabled')], pods: [notRefused] },
  {
    name: 'object',
    namespaces: [isAbsent(injectionLabel), isAbsent(revisionLabel)],
    pods: [isIn(injectLabel, 'true'), isAbsent(revisionLabel)],
  },
]

/** The injector's webhook. Its `caBundle` is the agent's to write: it follows the mesh's roots. */
export const buildInjectorWebhook = ({
  revision,
  failurePolicy,
}: Pick<InstallSettings, 'revision' | 'failurePolicy'>): KubernetesObject => ({
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingWebhookConfiguration',
  metadata: { name: injectorWebhook, labels: toLabels(agentName) },
  webhooks: toSelections(revision).map(({ name, namespaces, pods }) => ({
    name: `${name}.injector.atoll.dev`,
    clientConfig: {
      service: { name: agentName, namespace: systemNamespace, path: injectorPath, port: agentWebhookPort },
    },
    rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: 'Namespaced' }],
    namespaceSelector: { matchExpressions: [...namespaces, notOfTheSystem] },
    objectSelector: { matchExpressions: pods },
    failurePolicy,
    sideEffects: 'None',
    // Containers that other webhooks add are looked at again.
    reinvocationPolicy: 'IfNeeded',
    admissionReviewVersions: ['v1'],
    timeoutSeconds: 10,
  })),
})
