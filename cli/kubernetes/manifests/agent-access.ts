import { agentRules } from '#mesh/kubernetes/agent-rules.ts'
import type { AgentRule } from '#mesh/kubernetes/agent-rules.ts'
import { agentName, systemNamespace } from '#mesh/kubernetes/conventions.ts'
import type { KubernetesObject } from '../kubernetes-object.ts'
import { toLabels } from './object-labels.ts'

const rbac = 'rbac.authorization.k8s.io'
const subjects = [{ kind: 'ServiceAccount', name: agentName, namespace: systemNamespace }]

/** What the agent may do in a scope. */
export const toPolicyRules = (scope: AgentRule['scope']) =>
  agentRules
    .filter((rule) => rule.scope === scope)
    .map(({ apiGroups, resources, resourceNames, verbs }) => ({
      apiGroups,
      resources,
      ...(resourceNames !== undefined && { resourceNames }),
      verbs,
    }))

/** The agent's ServiceAccount and what it may do: in the whole cluster, and in its own namespace. */
export const buildAgentAccess = (): readonly KubernetesObject[] => {
  const clusterWide = { name: agentName, labels: toLabels(agentName) }
  const inNamespace = { ...clusterWide, namespace: systemNamespace }
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: inNamespace },
    { apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: clusterWide, rules: toPolicyRules('cluster') },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: clusterWide,
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: agentName },
      subjects,
    },
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata: inNamespace, rules: toPolicyRules('system') },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: inNamespace,
      roleRef: { apiGroup: rbac, kind: 'Role', name: agentName },
      subjects,
    },
  ]
}
