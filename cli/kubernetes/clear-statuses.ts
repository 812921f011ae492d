import { z } from 'zod'
import { isOwnCondition } from '#mesh/status/condition.ts'
import type { UpstreamDefinition } from './custom-resource-definitions.ts'
import type { KubernetesApi } from './kubernetes-api.ts'

const withConditions = z.object({ status: z.object({ conditions: z.array(z.unknown()) }) })

/**
 * Takes Atoll's conditions out of the statuses of all configuration objects, when no agent is left that writes them; those of others stay.
 * Answers how many objects had some.
 */
export const clearStatuses = async (
  api: KubernetesApi,
  definitions: readonly UpstreamDefinition[],
): Promise<number> => {
  let cleared = 0
  for (const { type } of definitions) {
    for (const object of await api.list(type)) {
      const conditions = withConditions.safeParse(object).data?.status.conditions ?? []
      const others = conditions.filter((condition) => !isOwnCondition(condition))
      if (others.length === conditions.length) continue
      await api.patchStatus(type, object, { conditions: others.length === 0 ? null : others })
      cleared += 1
    }
  }
  return cleared
}
