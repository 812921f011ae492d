import { RBAC_Action as Action } from '#envoy/envoy/config/rbac/v3/rbac_pb.ts'
import { RBACSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import { buildDiscovered } from './discovered-filter.ts'

/** A filter of requests that lets nobody in. */
export const buildRefusal = (filterName: string, why: string): UnitResource =>
  buildDiscovered(filterName, RBACSchema, {
    rules: {
      action: Action.DENY,
      policies: {
        [why]: {
          permissions: [{ rule: { case: 'any', value: true } }],
          principals: [{ identifier: { case: 'any', value: true } }],
        },
      },
    },
  })
