import { findingCodes } from '#cli/kubernetes/checks/finding.ts'
import { agentRules } from '#mesh/kubernetes/agent-rules.ts'
import type { AgentRule } from '#mesh/kubernetes/agent-rules.ts'
import { systemNamespace } from '#mesh/kubernetes/conventions.ts'
import { egressGateway, ingressGateway } from '#mesh/kubernetes/installed-gateways.ts'

const gatewayNamespaces = [ingressGateway, egressGateway].map(({ namespace }) => `\`${namespace}\``).join(', ')

const toRow = ({ scope, apiGroups, resources, resourceNames, verbs, why }: AgentRule): string => {
  const where = { cluster: 'everywhere', system: `\`${systemNamespace}\``, gateway: gatewayNamespaces }[scope]
  const groups = apiGroups.map((group) => (group === '' ? 'core' : group)).join(', ')
  const what = [resources.join(', '), ...(resourceNames === undefined ? [] : [`only ${resourceNames.join(', ')}`])]
  return `| ${where} | ${groups} | ${what.join('; ')} | ${verbs.join(', ')} | ${why} |`
}

/** The page of what Atoll may do in a Kubernetes cluster, and of what `atoll check` finds. */
export const toKubernetesReference = (): string =>
  [
    '# In a Kubernetes cluster: permissions and findings',
    '',
    'Generated from `mesh/kubernetes/agent-rules.ts` and `cli/kubernetes/checks/finding.ts` by `node scripts/reference.ts`. An introduction is in [docs/kubernetes.md](../kubernetes.md).',
    '',
    '## What the agent may do',
    '',
    '| where | API group | resources | verbs | for |',
    '|---|---|---|---|---|',
    ...agentRules.map(toRow),
    '',
    'Each gateway has an account of its own that may do nothing.',
    '',
    '## What `atoll check` finds',
    '',
    '| code | |',
    '|---|---|',
    ...Object.entries(findingCodes).map(([code, text]) => `| \`${code}\` | ${text} |`),
    '',
  ].join('\n')
