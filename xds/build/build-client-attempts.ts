import { LuaSchema } from '#envoy/envoy/extensions/filters/http/lua/v3/lua_pb.ts'
import { RBACSchema } from '#envoy/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts'
import type { UnitResource } from '#xds/incremental/unit.ts'
import type { Admission } from '#xds/model/admission.ts'
import type { Fallback } from '#xds/resource-set.ts'
import { buildStateFilter } from './build-state-filter.ts'
import { writeAttemptsScript } from './client-attempts-script.ts'
import { buildDiscovered, toDiscovered } from './discovered-filter.ts'

const attemptsFilterName = 'atoll.client-attempts'

/** Before the filter of clients: who may try whether a key is right. */
export const attemptsFilter = toDiscovered(attemptsFilterName, RBACSchema, LuaSchema)

const admittedKey = 'atoll.admitted'

/** Behind the filter of clients: notes who was let in. Other filters, and the application, answer 401 too. */
export const admittedFilter = buildStateFilter('atoll.client-admitted', { [admittedKey]: '1' })

/** Everybody may try as often as they like. */
export const openAttempts = buildDiscovered(attemptsFilterName, RBACSchema, {})

/** What the filter of attempts does. It holds no keys, and whoever is let in is so by the filter of clients alone: what a proxy refuses of it is left out. */
export const buildAttempts = ({ object, keys, wrongPerMinute }: Admission): UnitResource => {
  if (wrongPerMinute === 0) return openAttempts
  const from = keys?.from ?? [{ header: 'authorization' }]
  const built = buildDiscovered(attemptsFilterName, LuaSchema, {
    statPrefix: 'clients',
    defaultSourceCode: {
      specifier: { case: 'inlineString', value: writeAttemptsScript({ from, wrongPerMinute, admittedKey }) },
    },
  })
  const fallbacks = (reason: string): readonly Fallback[] => [
    { resource: openAttempts.resource, without: [{ object, reason: `wrong keys are not slowed: ${reason}` }] },
  ]
  return { ...built, resource: { ...built.resource, fallbacks } }
}
