import { z } from 'zod'
import { checkExportTo, istioNetworking } from './kind-definition.ts'
import type { KindDefinition } from './kind-definition.ts'
import { subsetName } from './schema/destination.ts'
import { findRepeated } from './schema/find-repeated.ts'
import { hostPattern } from './schema/host-names.ts'
import { labels } from './schema/labels.ts'
import { checked, message, unsupported } from './schema/message.ts'
import { trafficPolicy } from './schema/traffic-policy.ts'

const subset = message({
  name: subsetName,
  labels: labels.optional(),
  trafficPolicy: trafficPolicy.optional(),
})
export type Subset = z.output<typeof subset>

/** Istio reference: networking/destination-rule. */
export const destinationRuleSpec = message({
  /** A short name means the service of that name in the object's own namespace. */
  host: hostPattern,
  trafficPolicy: trafficPolicy.optional(),
  subsets: checked(z.array(subset), ({ value, report }) => {
    for (const index of findRepeated(value.map(({ name }) => name)))
      report(`there is a subset "${value[index]?.name}" already`, [index, 'name'])
  }).optional(),
  exportTo: z.array(z.string()).optional(),
  workloadSelector: unsupported('a DestinationRule holds for all clients: selecting workloads is not supported'),
})
export type DestinationRuleSpec = z.output<typeof destinationRuleSpec>

export const destinationRule: KindDefinition<DestinationRuleSpec> = {
  ...istioNetworking,
  kind: 'DestinationRule',
  plural: 'destinationrules',
  schema: destinationRuleSpec,
  check: checkExportTo,
}
