import fc from 'fast-check'
import type { ViewChange } from '#mesh/view.ts'
import { makeObject } from '#test/mesh/records.ts'

/** A PeerAuthentication of the mesh or of the cluster that comes, changes or goes; those that select do so by the label `v`. */
export const anyPeerAuthentication = fc
  .record({
    namespace: fc.constantFrom('default', 'other', 'atoll-system'),
    origin: fc.constantFrom('mesh' as const, 'cluster' as const),
    spec: fc.constantFrom<Record<string, unknown> | null>(
      null,
      { mtls: { mode: 'DISABLE' } },
      { mtls: { mode: 'PERMISSIVE' } },
      { selector: { matchLabels: { v: '1' } }, portLevelMtls: { 8080: { mode: 'DISABLE' }, 9: { mode: 'STRICT' } } },
    ),
  })
  .map(({ namespace, origin, spec }): ViewChange => {
    const value = spec && makeObject('PeerAuthentication', 'p', spec, { namespace })
    return { kind: 'config', origin, key: `PeerAuthentication/${namespace}/p`, value }
  })
