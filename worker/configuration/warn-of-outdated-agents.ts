import { findAgentNeeds } from '#mesh/agent-needs.ts'
import type { Problem } from '#mesh/problem.ts'
import type { ObjectWrite } from '../mesh/configuration.ts'
import type { MeshStore } from '../mesh/mesh-store.ts'

/** Of how many clusters a warning has the names. */
const MAX_NAMED = 8

/** Of written objects that agents of some clusters are too old for: there they don't hold, whatever they forbid. */
export const warnOfOutdatedAgents = async (
  store: Pick<MeshStore, 'listOutdatedAgents'>,
  upserts: readonly ObjectWrite[],
): Promise<readonly Problem[]> => {
  const needing = upserts.flatMap(({ object }) => {
    const needs = findAgentNeeds(object)
    return needs.length > 0 ? [{ object, needs }] : []
  })
  if (needing.length === 0) return []
  const agents = await store.listOutdatedAgents()
  return needing.flatMap(({ object: { kind, metadata }, needs }) =>
    needs.flatMap(({ capability, lost }, index): readonly Problem[] => {
      // Who does not know the kind is told of that alone.
      const before = needs.slice(0, index).map((need) => need.capability)
      const ignoring = agents.filter(
        ({ lacks }) => lacks.includes(capability) && !before.some((each) => lacks.includes(each)),
      )
      if (ignoring.length === 0) return []
      const { namespace, name } = metadata
      const message = `${lost} in ${toText(ignoring)}: the agent there is too old for it; upgrade it first`
      return [{ code: 'ineffective', severity: 'warning', object: { kind, namespace, name }, path: 'spec', message }]
    }),
  )
}

const toText = (agents: readonly { readonly cluster: string; readonly version: string }[]): string => {
  const named = agents.slice(0, MAX_NAMED).map(({ cluster, version }) => `cluster ${cluster} (agent ${version})`)
  const rest = agents.length - named.length
  return [...named, ...(rest > 0 ? [`${rest} more`] : [])].join(', ')
}
