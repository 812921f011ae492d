import { z } from 'zod'
import { istioNetworking } from './kind-definition.ts'
import type { KindDefinition } from './kind-definition.ts'
import { labels } from './schema/labels.ts'
import { message } from './schema/message.ts'
import { readinessProbe } from './schema/readiness-probe.ts'
import { workloadEntryFields } from './workload-entry.ts'

/** Istio reference: networking/workload-group. */
export const workloadGroupSpec = message({
  /** Of the WorkloadEntries that are made of it. */
  metadata: message({
    labels: labels.optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }).optional(),
  /** What the WorkloadEntries have in common; their addresses are their machines'. */
  template: workloadEntryFields,
  probe: readinessProbe.optional(),
})
export type WorkloadGroupSpec = z.output<typeof workloadGroupSpec>

export const workloadGroup: KindDefinition<WorkloadGroupSpec> = {
  ...istioNetworking,
  kind: 'WorkloadGroup',
  plural: 'workloadgroups',
  schema: workloadGroupSpec,
}
