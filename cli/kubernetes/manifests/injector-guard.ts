import { agentName, injectorGuard, injectorWebhook, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import type { KubernetesObject } from '../kubernetes-object.ts'
import { toLabels } from './object-labels.ts'

const apiVersion = 'admissionregistration.k8s.io/v1'
const message = 'the agent may change nothing but caBundle'
const metadata = { name: injectorGuard, labels: toLabels(agentName) }

/** All of a webhook (Kubernetes 1.30 to 1.36) but its name and its `clientConfig`. */
const webhookFields = [
  'rules',
  'failurePolicy',
  'matchPolicy',
  'namespaceSelector',
  'objectSelector',
  'sideEffects',
  'timeoutSeconds',
  'admissionReviewVersions',
  'reinvocationPolicy',
  'matchConditions',
]
const isSame = ['clientConfig.?service', 'clientConfig.?url', ...webhookFields]
  .map((field) => `is.?${field} == was.?${field}`)
  .join(' && ')
/** By an owner that is not there the API server would take the whole object away. */
const isKept = ['ownerReferences', 'finalizers']
  .map((field) => `object.metadata.?${field} == oldObject.metadata.?${field}`)
  .join(' && ')

/**
 * RBAC can not say which fields of an object may be changed, this can: of the injector's webhooks the agent writes whom to believe, and not
 * which objects they are asked about, nor where.
 */
export const buildInjectorGuard = (): readonly KubernetesObject[] => [
  {
    apiVersion,
    kind: 'ValidatingAdmissionPolicy',
    metadata,
    spec: {
      failurePolicy: 'Fail',
      matchConstraints: {
        resourceRules: [
          {
            apiGroups: ['admissionregistration.k8s.io'],
            apiVersions: ['*'],
            operations: ['UPDATE'],
            resources: ['mutatingwebhookconfigurations'],
            resourceNames: [injectorWebhook],
          },
        ],
      },
      matchConditions: [
        {
          name: 'by-the-agent',
          expression: `request.userInfo.username == "system:serviceaccount:${systemNamespace}:${agentName}"`,
        },
      ],
      validations: [
        {
          expression: `size(object.webhooks) == size(oldObject.webhooks) && oldObject.webhooks.all(was, object.webhooks.exists(is, is.name == was.name && ${isSame}))`,
          message,
        },
        { expression: isKept, message },
      ],
    },
  },
  {
    apiVersion,
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata,
    spec: { policyName: injectorGuard, validationActions: ['Deny'] },
  },
]
