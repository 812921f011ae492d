import { workloadGroup } from '#mesh/config/workload-group.ts'
import type { RegistryBatch } from './registry.ts'

/** Whether a change is of what a proxy may be. A machine is what its group says. */
export const isOfWorkload = (change: RegistryBatch['changes'][number]): boolean =>
  change.kind === 'workload' || (change.kind === 'config' && change.key.startsWith(`${workloadGroup.kind}/`))
